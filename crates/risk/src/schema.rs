//! Evidence in the input schema: names of parameters, their values, what is written at them.

use portreeve_policy::Class;
use portreeve_policy::json::{Kind, Value};

use crate::context::Context;
use crate::definition::Definition;
use crate::evidence::Collected;
use crate::lexicon::{Form, base};
use crate::name;
use crate::verdict::Place;
use crate::words;

/// One parameter as far as it is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Parameter<'a> {
    pub name: &'a str,
    /// Its name in words, joined by spaces.
    pub words: String,
    pub schema: &'a Value<'a>,
}

/// More parameters are not looked at.
const MOST: usize = 200;

/// The parameters, with those of objects inside of them.
pub(crate) fn parameters<'a>(schema: Option<&'a Value<'a>>) -> Vec<Parameter<'a>> {
    let mut found = Vec::new();
    if let Some(schema) = schema {
        gather(schema, 3, &mut found);
    }
    found
}

// The recursion is bounded by `depth`, the work by `MOST`.
fn gather<'a>(schema: &'a Value<'a>, depth: u8, found: &mut Vec<Parameter<'a>>) {
    let members = schema
        .get("properties")
        .and_then(Value::members)
        .unwrap_or_default();
    for member in members {
        if found.len() >= MOST {
            return;
        }
        found.push(Parameter {
            name: &member.key,
            words: words::of_name(&member.key).join(" "),
            schema: &member.value,
        });
    }
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for member in members {
        gather(&member.value, depth, found);
        if let Some(items) = member.value.get("items") {
            gather(items, depth, found);
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for variant in schema
            .get(key)
            .and_then(Value::elements)
            .unwrap_or_default()
        {
            gather(variant, depth, found);
        }
    }
}

impl Parameter<'_> {
    pub(crate) fn description(&self) -> &str {
        self.schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(crate) fn is_type(&self, name: &str) -> bool {
        self.schema.get("type").and_then(Value::as_str) == Some(name)
    }

    /// A string, or of a type that is not said.
    pub(crate) fn takes_text(&self) -> bool {
        self.is_type("string") || self.schema.get("type").is_none()
    }

    /// The values it may have, if they are listed.
    pub(crate) fn values(&self) -> Vec<&str> {
        let listed = |value: &'_ Value<'_>| value.as_str().map(str::len);
        let mut values: Vec<&str> = Vec::new();
        for list in [Some(self.schema), self.schema.get("items")]
            .into_iter()
            .flatten()
        {
            if let Some(Kind::Array(elements)) = list.get("enum").map(|list| &list.kind) {
                values.extend(elements.iter().take(100).filter_map(Value::as_str));
            }
            values.extend(list.get("const").and_then(Value::as_str));
            for key in ["oneOf", "anyOf"] {
                for variant in list.get(key).and_then(Value::elements).unwrap_or_default() {
                    values.extend(variant.get("const").and_then(Value::as_str));
                    let inner = variant
                        .get("enum")
                        .and_then(Value::elements)
                        .unwrap_or_default();
                    values.extend(inner.iter().take(100).filter_map(Value::as_str));
                }
            }
        }
        values.retain(|value| !value.is_empty() && value.len() < 60);
        let _ = listed;
        values
    }
}

pub(crate) fn collect(definition: &Definition<'_>, context: &Context, found: &mut Collected) {
    let parameters = parameters(definition.input_schema);
    for parameter in &parameters {
        actions(parameter, context, found);
    }
    if !parameters.is_empty() {
        code(definition, &parameters, context, found);
        files(&parameters, found);
        money(&parameters, found);
        requests(&parameters, found);
    }
}

/// A parameter that chooses what happens: the worst choice counts.
fn actions(parameter: &Parameter<'_>, context: &Context, found: &mut Collected) {
    const CHOICES: [&str; 16] = [
        "action",
        "operation",
        "op",
        "command",
        "subcommand",
        "verb",
        "action type",
        "operation type",
        "method",
        "cmd",
        "acción",
        "aktion",
        "操作",
        "task",
        "mode",
        "request type",
    ];
    if !CHOICES.contains(&parameter.words.as_str()) {
        return;
    }
    let values = parameter.values();
    let place = || Place::Parameter(parameter.name.to_owned());
    if parameter.words == "method" {
        let sends = values
            .iter()
            .find(|value| matches!(**value, "POST" | "PUT" | "DELETE" | "PATCH"));
        if let Some(method) = sends {
            let meaning = "any kind of HTTP request can be asked for".to_owned();
            found.add(
                "schema.method",
                Class::Execute,
                12,
                place(),
                (method, meaning),
            );
        }
        return;
    }
    let strict = !matches!(parameter.words.as_str(), "task" | "mode");
    let mut worst: Option<(Class, &str)> = None;
    let mut known = 0_usize;
    for value in &values {
        let tokens = words::of_name(value);
        let class = match name::head(&tokens) {
            Some(head) => name::sense_at(&tokens, head, context).class,
            None => continue,
        };
        known = known.saturating_add(1);
        worst = worst.max(Some((class, value)));
    }
    match worst {
        Some((class, value)) if values.len() > 1 && (class > Class::Read || known > 1) => {
            let weight = match (strict, class) {
                (_, Class::Read) => 8,
                (true, _) => 22,
                (false, _) => 6,
            };
            let meaning = "the worst of the actions it can be asked for".to_owned();
            found.add("schema.action", class, weight, place(), (value, meaning));
        }
        _ if strict && values.is_empty() => described_actions(parameter, context, found),
        _ => {}
    }
}

/// "One of: list, create, delete", written instead of listed.
fn described_actions(parameter: &Parameter<'_>, context: &Context, found: &mut Collected) {
    let text = words::lowered(parameter.description());
    let mut worst: Option<(Class, &str)> = None;
    let mut verbs = 0_usize;
    let all = words::of_text(&text);
    for word in all
        .iter()
        .take(80)
        .filter(|word| word.before != words::Gap::Space)
    {
        let mut parts = word.text.split('_');
        if let Some((verb, Form::Base)) = parts.next().and_then(base) {
            verbs = verbs.saturating_add(1);
            let class = verb.sense(parts.chain(context.tags())).class;
            worst = worst.max(Some((class, word.text)));
        }
    }
    if let Some((class, word)) = worst.filter(|_| verbs > 2) {
        let place = Place::Parameter(parameter.name.to_owned());
        let meaning = "the worst of the actions it can be asked for".to_owned();
        found.add("schema.action", class, 14, place, (word, meaning));
    }
}

/// Text that is run: code, commands, SQL.
fn code(
    definition: &Definition<'_>,
    parameters: &[Parameter<'_>],
    context: &Context,
    found: &mut Collected,
) {
    const COMMANDS: [&str; 14] = [
        "command",
        "cmd",
        "shell command",
        "bash command",
        "commands",
        "script",
        "shell",
        "command line",
        "bash",
        "powershell",
        "argv",
        "javascript",
        "js code",
        "python code",
    ];
    const CODE: [&str; 9] = [
        "code",
        "code snippet",
        "snippet",
        "source code",
        "program",
        "python",
        "statements",
        "macro",
        "function body",
    ];
    let top = parameters
        .iter()
        .filter(|p| p.takes_text() || p.is_type("array"));
    for parameter in top {
        let place = || Place::Parameter(parameter.name.to_owned());
        let name = parameter.words.as_str();
        if COMMANDS.contains(&name) && parameter.values().is_empty() {
            let meaning = "what is written there may be run".to_owned();
            found.add(
                "schema.command",
                Class::Execute,
                6,
                place(),
                (parameter.name, meaning),
            );
        } else if CODE.contains(&name) {
            let runs = ["execute", "to run", "run ", "evaluate", "执行", "运行"]
                .iter()
                .any(|word| parameter.description().to_lowercase().contains(word));
            let meaning = "code that may be run".to_owned();
            let weight = if runs { 8 } else { 3 };
            found.add(
                "schema.code",
                Class::Execute,
                weight,
                place(),
                (parameter.name, meaning),
            );
        } else if is_statement(parameter, definition, context) {
            let meaning = "a statement that a database carries out, whatever it says".to_owned();
            found.add(
                "schema.statement",
                Class::Execute,
                7,
                place(),
                (parameter.name, meaning),
            );
        }
    }
}

fn is_statement(parameter: &Parameter<'_>, definition: &Definition<'_>, context: &Context) -> bool {
    let name = parameter.words.as_str();
    if matches!(
        name,
        "sql" | "sql query" | "sql statement" | "cypher" | "raw sql" | "cypher query" | "query sql"
    ) {
        return true;
    }
    if !matches!(name, "query" | "statement" | "q" | "queries" | "text") {
        return false;
    }
    let speaks = |text: &str| {
        words::of_text(&words::lowered(text))
            .iter()
            .any(|word| matches!(word.text, "sql" | "cypher" | "aql" | "surrealql" | "t_sql"))
    };
    (context.is("~sql") || name == "statement" || speaks(definition.description))
        && (speaks(parameter.description())
            || speaks(definition.description)
            || speaks(definition.name))
        || speaks(parameter.description()) && name != "text"
}

/// A place where the result is put.
fn files(parameters: &[Parameter<'_>], found: &mut Collected) {
    const PLACES: [&str; 24] = [
        "output path",
        "output file",
        "output dir",
        "output directory",
        "output",
        "save path",
        "save to",
        "save dir",
        "download path",
        "destination path",
        "out path",
        "file name",
        "filename",
        "output filename",
        "dest path",
        "save directory",
        "output file path",
        "s 3 uri",
        "output folder",
        "output filepath",
        "target path",
        "save to file",
        "local path",
        "destination",
    ];
    for parameter in parameters {
        let name = parameter.words.as_str();
        if !PLACES.contains(&name) || !(parameter.takes_text() || name == "save to file") {
            continue;
        }
        let verb = found.verb.as_deref().unwrap_or_default();
        let makes = matches!(
            verb,
            "convert"
                | "generate"
                | "download"
                | "export"
                | "transform"
                | "render"
                | "merge"
                | "compress"
                | "translate"
                | "extract"
                | "crop"
                | "resize"
                | "analyze"
                | "plot"
                | "draw"
                | "format"
                | "record"
                | "dump"
                | "crawl"
                | "encrypt"
                | "decrypt"
        );
        if makes {
            let place = Place::Parameter(parameter.name.to_owned());
            let meaning = "what it makes is put into a file".to_owned();
            let weight = if matches!(verb, "analyze" | "extract" | "crawl") {
                12
            } else {
                20
            };
            found.add(
                "schema.file",
                Class::Write,
                weight,
                place,
                (parameter.name, meaning),
            );
            return;
        }
    }
}

/// An amount that goes to somebody.
fn money(parameters: &[Parameter<'_>], found: &mut Collected) {
    let find = |names: &[&str]| {
        parameters.iter().find(|p| {
            names.contains(&p.words.as_str())
                || names.contains(&p.words.rsplit(' ').next().unwrap_or(""))
        })
    };
    let amount = find(&["amount", "lamports", "sats", "wei"]);
    let to = find(&[
        "recipient",
        "to address",
        "payee",
        "beneficiary",
        "iban",
        "destination account",
        "to account",
        "private key",
        "mnemonic",
        "slippage",
        "slippage bps",
    ]);
    if let (Some(amount), Some(_)) = (amount, to) {
        let place = Place::Parameter(amount.name.to_owned());
        let meaning = "an amount, and somebody it goes to".to_owned();
        found.add(
            "schema.amount",
            Class::Financial,
            5,
            place,
            (amount.name, meaning),
        );
    }
}

/// An address and a body: whatever the other end does with it.
fn requests(parameters: &[Parameter<'_>], found: &mut Collected) {
    let has = |names: &[&str]| {
        parameters
            .iter()
            .find(|p| names.contains(&p.words.as_str()))
    };
    let url = has(&["url", "endpoint", "uri"]);
    let body = has(&["body", "payload", "json", "form data"]);
    let method = has(&["method", "http method"]);
    if let (Some(url), Some(_), Some(_)) = (url, body, method) {
        let place = Place::Parameter(url.name.to_owned());
        let meaning = "a request of any method to any address".to_owned();
        found.add(
            "schema.request",
            Class::Execute,
            12,
            place,
            (url.name, meaning),
        );
    }
}
