//! Modules and their functions, as the PTX text has them: version, target, and what each kernel is given.

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The tier of its module: 80 for sm_80.
    pub(crate) tier: u32,
    /// Bytes of each parameter.
    pub(crate) parameters: Vec<usize>,
}

/// A loaded module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) functions: Vec<Function>,
}

/// Why it can't be loaded, as CUDA's codes have it.
pub(crate) const INVALID_PTX: i32 = 218;
pub(crate) const UNSUPPORTED_PTX_VERSION: i32 = 222;
pub(crate) const NO_BINARY_FOR_GPU: i32 = 209;

/// Reads a text. `newest`: the newest version that the driver knows, times ten. `chip`: 90 for 9.0.
pub(crate) fn load(text: &str, newest: u32, chip: u32) -> Result<Module, i32> {
    let after = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start)).ok_or(INVALID_PTX);
    let version: String = after(".version ")?.chars().filter(char::is_ascii_digit).collect();
    let tier: u32 = after(".target sm_")?.trim().parse().map_err(|_| INVALID_PTX)?;
    if version.parse::<u32>().map_err(|_| INVALID_PTX)? > newest {
        return Err(UNSUPPORTED_PTX_VERSION);
    }
    if tier > chip {
        return Err(NO_BINARY_FOR_GPU);
    }
    let functions = text.split(".visible .entry ").skip(1).map(|entry| function(entry, tier)).collect::<Option<_>>();
    Ok(Module { functions: functions.ok_or(INVALID_PTX)? })
}

fn function(entry: &str, tier: u32) -> Option<Function> {
    let (name, rest) = entry.split_once('(')?;
    let (parameters, _) = rest.split_once(')')?;
    let size = |parameter: &str| {
        let kind = parameter.trim().strip_prefix(".param .")?.split_whitespace().next()?;
        Some(kind.get(1..)?.parse::<usize>().ok()? / 8)
    };
    let parameters = parameters.split(',').map(size).collect::<Option<_>>()?;
    Some(Function { name: name.trim().into(), tier, parameters })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = ".version 7.0\n.target sm_80\n.address_size 64\n\n.visible .entry go(\n\t.param .u64 go_param_0,\n\t.param .f32 go_param_1\n)\n{\n\tret;\n}\n";

    #[test]
    fn a_text_says_what_it_needs_and_has() {
        let function = Function { name: "go".into(), tier: 80, parameters: vec![8, 4] };
        assert_eq!(load(TEXT, 70, 86), Ok(Module { functions: vec![function] }));
        assert_eq!(load(TEXT, 65, 86), Err(UNSUPPORTED_PTX_VERSION));
        assert_eq!(load(TEXT, 70, 75), Err(NO_BINARY_FOR_GPU));
        assert_eq!(load("nonsense", 70, 75), Err(INVALID_PTX));
    }
}
