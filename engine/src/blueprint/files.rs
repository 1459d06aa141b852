//! The files of a blueprint: its own, and those of its modules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::parse::Parsed;
use super::source::{Content, Node};
use super::{Catalog, Inputs, Loader, bytes, environment, hidden, parse};
use crate::diagnostic::{Diagnostic, FileId, Sources, Span};
use crate::paths::resolve;

/// How many modules may stand in each other.
const MAX_DEPTH: usize = 16;

/// A blueprint as it was read, with what it is loaded with: it can be expanded again when more is known.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub(super) sources: Sources,
    /// The trees of its files, the blueprint's own first.
    pub(super) trees: Vec<Tree>,
    pub(super) inputs: Inputs,
    pub(super) catalog: Arc<Catalog>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Tree {
    /// The directory that its paths are relative to.
    pub(super) base: PathBuf,
    pub(super) root: Node,
    /// Which tree each of its modules is.
    pub(super) modules: BTreeMap<String, usize>,
}

/// Reads a blueprint and all its modules. None where its own file can't be read.
pub(super) fn read(
    path: &Path,
    inputs: &Inputs,
    loader: &dyn Loader,
    problems: &mut Vec<Diagnostic>,
) -> (Sources, Option<Vec<Tree>>) {
    let environment = inputs.environment.as_deref();
    let mut reader = Reader {
        loader,
        environment,
        sources: Sources::default(),
        trees: Vec::new(),
        known: BTreeMap::new(),
        problems,
    };
    let own = reader.file(path, None, &mut Vec::new());
    let trees: Option<Vec<Tree>> = reader.trees.into_iter().collect();
    (reader.sources, own.and(trees))
}

/// The environments of a blueprint's text.
pub(super) fn environments(text: &str) -> Vec<String> {
    parse::parse(text, FileId::default()).root.as_ref().map(environment::declared).unwrap_or_default()
}

struct Reader<'a> {
    loader: &'a dyn Loader,
    environment: Option<&'a str>,
    sources: Sources,
    /// None while a file's modules are being read.
    trees: Vec<Option<Tree>>,
    /// The trees of the files that were read, by what tells files apart.
    known: BTreeMap<PathBuf, (usize, FileId)>,
    problems: &'a mut Vec<Diagnostic>,
}

/// Where a file is named: by the source of a module.
struct Named<'a> {
    module: &'a str,
    span: Span,
}

/// A file around another: what tells it apart, and its path.
type Around = (PathBuf, PathBuf);

impl Reader<'_> {
    /// Reads a file and those it names. `way`: the files in which this one stands.
    fn file(&mut self, path: &Path, named: Option<&Named<'_>>, way: &mut Vec<Around>) -> Option<usize> {
        let identity = self.loader.identity(path);
        if let Some(problem) = named.and_then(|named| recursion(path, &identity, named, way)) {
            self.problems.push(problem);
            return None;
        }
        if let Some((known, file)) = self.known.get(&identity) {
            self.sources.also(path, *file);
            return Some(*known);
        }
        let file = FileId(u32::try_from(self.sources.0.len()).unwrap_or(u32::MAX));
        let root = self.root(path, named)?;
        let root = environment::apply(root, self.environment, named.is_some(), self.problems);
        let index = self.trees.len();
        self.trees.push(None);
        self.known.insert(identity.clone(), (index, file));
        let base = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        way.push((identity, path.to_path_buf()));
        let mut modules = BTreeMap::new();
        for (name, node) in root.get("modules").map(Node::entries).unwrap_or_default() {
            let Some(Node { content: Content::String(source), span }) = node.get("source") else { continue };
            let named = Named { module: &name.text, span: *span };
            if let Some(module) = self.file(&resolve(&base, source), Some(&named), way) {
                modules.insert(name.text.clone(), module);
            }
        }
        way.pop();
        self.trees[index] = Some(Tree { base, root, modules });
        Some(index)
    }

    /// The tree of a file's text.
    fn root(&mut self, path: &Path, named: Option<&Named<'_>>) -> Option<Node> {
        let file = path.display();
        let at = |problem: Diagnostic| match named {
            Some(named) => problem.at(named.span, "this file"),
            None => problem,
        };
        let bytes = self.loader.read(path).map_err(|error| {
            self.problems.push(match named {
                Some(named) if is_elsewhere(self.sources.text(named.span)) => {
                    at(Diagnostic::error(format!("the module `{}` is on another machine", named.module)))
                        .help("a module is a file: fetch it, check it in beside the blueprint, and name its path")
                }
                Some(named) => {
                    at(Diagnostic::error(format!("the module `{}` can't be read: {file}: {error}", named.module)))
                        .help("`source` is the path of a file, relative to the file it stands in")
                }
                None => bytes::unreadable(path, &error),
            });
        });
        let text = bytes::text(bytes.ok()?).map_err(|problem| self.problems.push(at(problem))).ok()?;
        let id = self.sources.add(path, text.as_str());
        let Parsed { root, problems: found, dropped } = parse::parse(&text, id);
        if root.is_none() && found.is_empty() {
            let what = if named.is_some() { "module" } else { "blueprint" };
            let problem = at(Diagnostic::error(format!("the {what} `{file}` is empty")));
            self.problems.push(problem.help("begin with `blueprint: NAME`"));
        }
        self.problems.extend(found);
        let stretches =
            root.as_ref().map_or_else(|| hidden::blind(&text), |root| hidden::stretches(&text, root, dropped));
        self.sources.hide(id, stretches);
        root
    }
}

/// Whether a module's source names something that is no file here.
fn is_elsewhere(source: &str) -> bool {
    source.contains("://") || source.contains("::")
}

/// What is wrong with a module that stands in itself, or too deep.
fn recursion(path: &Path, identity: &Path, named: &Named<'_>, way: &[Around]) -> Option<Diagnostic> {
    if let Some(first) = way.iter().position(|(before, _)| before == identity) {
        let files = way[first..].iter().map(|(_, file)| file.as_path()).chain([path]);
        let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
        let message = format!("a module can't stand in itself: {}", files.join(" -> "));
        let problem = Diagnostic::error(message).at(named.span, "this file is around this line already");
        return Some(problem.help("to make one thing for each of several, use `for_each`"));
    }
    let too_deep = way.len() > MAX_DEPTH;
    too_deep.then(|| {
        Diagnostic::error(format!("modules stand more than {MAX_DEPTH} deep in each other"))
            .at(named.span, "here it is too deep")
            .help("does a directory lead back to itself?")
    })
}
