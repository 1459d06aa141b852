//! A blueprint of any width.

#[allow(dead_code, reason = "each program that shares this file uses some of it")]
/// A `for_each` of many, another that reads it instance by instance, and one resource that reads it whole.
pub(crate) fn wide(count: usize) -> String {
    format!(
        r#"
blueprint: wide
variables: {{ count: {{ type: integer, default: {count} }} }}
providers: {{ sim: {{}} }}
resources:
  node:
    kind: gpu_instance
    for_each: "{{{{ range(var.count) }}}}"
    gpu: {{ model: H100, count: 8 }}
    env: {{ RANK: "rank {{{{ each.key }}}}", WORLD: "{{{{ var.count | string }}}}", NEXT: "{{{{ each.value | string }}}}" }}
  disk:
    kind: file
    for_each: "{{{{ range(var.count) }}}}"
    path: "/{{{{ each.key }}}}"
    content: "{{{{ node[each.key].id }}}}"
  all: {{ kind: file, path: all, content: "{{{{ node | length }}}} nodes" }}
"#
    )
}

/// A `for_each` of many alone, with three expressions in each.
#[allow(dead_code, reason = "each program that shares this file uses some of it")]
pub(crate) fn nodes(count: usize) -> String {
    let text = wide(count);
    let end = text.find("  disk:").unwrap_or(text.len());
    text[..end].to_owned()
}
