//! Reads handlers out of source text: by lines, without running anything.

/// Functions of a Python file that take a call: `handler` and `lambda_handler` at the top level, whether defined
/// with `def` or assigned.
pub fn python_handlers(text: &str) -> Vec<&'static str> {
    const NAMES: [&str; 2] = ["lambda_handler", "handler"];
    let is = |line: &str, name: &str| {
        let rest = line.strip_prefix("async ").unwrap_or(line);
        if let Some(rest) = rest.strip_prefix("def ") {
            return rest.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('('));
        }
        line.strip_prefix(name).is_some_and(|rest| {
            let rest = rest.trim_start();
            (rest.starts_with('=') && !rest.starts_with("==")) || rest.starts_with(':')
        })
    };
    NAMES.into_iter().filter(|name| text.lines().any(|line| is(line, name))).collect()
}

/// Functions of a JavaScript file that take a call: an export called `handler` or `lambdaHandler`, in any of the
/// usual forms of ES modules, CommonJS and bundlers.
pub fn node_handlers(text: &str) -> Vec<&'static str> {
    const NAMES: [&str; 2] = ["handler", "lambdaHandler"];
    NAMES.into_iter().filter(|name| exports(text, name)).collect()
}

fn exports(text: &str, name: &str) -> bool {
    let starts = |line: &str, before: &str| {
        line.strip_prefix(before)
            .is_some_and(|rest| rest.trim_start().strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_word)))
    };
    const EXPORTS: [&str; 6] = [
        "export const ",
        "export let ",
        "export var ",
        "export function ",
        "export async function ",
        "export function* ",
    ];
    let by_line = text.lines().map(str::trim_start).any(|line| EXPORTS.iter().any(|before| starts(line, before)));
    by_line || assigned(text, name) || listed(text, name)
}

/// `exports.NAME =` and `module.exports.NAME =`, also `exports["NAME"] =`.
fn assigned(text: &str, name: &str) -> bool {
    [format!("exports.{name}"), format!("exports[\"{name}\"]"), format!("exports['{name}']")].iter().any(|form| {
        text.match_indices(form.as_str()).any(|(at, _)| {
            let rest = text[at + form.len()..].trim_start();
            rest.starts_with('=') && !rest.starts_with("==")
        })
    })
}

/// `export { ..., NAME }`, `module.exports = { NAME ... }`, and the `NAME: () =>` of a bundler's table of exports.
fn listed(text: &str, name: &str) -> bool {
    let in_braces = ["export {", "export{", "module.exports = {", "module.exports={"].iter().any(|before| {
        text.match_indices(before).any(|(at, _)| {
            let rest = &text[at + before.len()..];
            let inside = rest.split('}').next().unwrap_or_default();
            inside.split(',').any(|item| {
                let item = item.trim();
                let shown = item.rsplit(" as ").next().unwrap_or(item).trim();
                shown == name || shown.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with([':', '(']))
            })
        })
    });
    in_braces || text.contains(&format!("{name}: () =>"))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_handlers_are_top_level_functions_or_names() {
        for (why, text, want) in [
            ("def", "import json\ndef lambda_handler(event, context):\n  pass", vec!["lambda_handler"]),
            ("assigned", "handler = Mangum(app)", vec!["handler"]),
            ("annotated", "handler: Handler = make()", vec!["handler"]),
            ("both", "def handler(e, c): pass\ndef lambda_handler(e, c): pass", vec!["lambda_handler", "handler"]),
            ("a method is none", "class A:\n  def handler(self): pass", vec![]),
            ("a longer name is none", "def handlers(e, c): pass\nhandler_of = 1", vec![]),
            ("a comparison is none", "handler == 3", vec![]),
        ] {
            assert_eq!(python_handlers(text), want, "{why}");
        }
    }

    #[test]
    fn node_handlers_are_exports_in_every_usual_form() {
        for (why, text, want) in [
            ("const", "export const handler = async (event) => 1", true),
            ("function", "export async function handler(event) {}", true),
            ("list", "const a = 1, handler = 2;\nexport { a, handler };", true),
            ("renamed", "export { main as handler };", true),
            ("minified", "var a=()=>1;export{a as handler};", true),
            ("exports", "exports.handler = async () => 1", true),
            ("module.exports", "module.exports.handler=f", true),
            ("object", "module.exports = { handler, other: 1 }", true),
            ("object with value", "module.exports = { handler: async () => 1 }", true),
            ("bundle", "__export(src, {\n  handler: () => handler\n});", true),
            ("another name", "export const handlers = []", false),
            ("not exported", "const handler = 1", false),
            ("compared", "if (exports.handler == 1) {}", false),
        ] {
            assert_eq!(node_handlers(text).contains(&"handler"), want, "{why}");
        }
    }
}
