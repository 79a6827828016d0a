//! A server's tools at the command line: which wait, what accepting them changes, accepting them.

use super::desk::{request, unexpected};
use super::listing::{Cell, Listing};
use super::output::{Output, Paint, Tone, beginning, plain, printable};
use super::{DataDirArg, Done, FormatArg};
use crate::admin::{Discovery, Failure, Request, Response, ToolState, ToolView};
use crate::name::Name;

const TOOLS: Listing<5> = Listing {
    head: ["TOOL", "RISK", "STATE", "HASH", "DESCRIPTION"],
    nothing: "no tools of this server are known",
};

pub(super) fn show_tools(
    tools: &[ToolView],
    discovery: &Discovery,
    (format, paint): (&FormatArg, Paint),
) -> Done {
    let mut output = TOOLS.show(tools, (format, paint), tool_cells)?;
    if !format.json {
        for tool in tools.iter().filter(|tool| !tool.changes.is_empty()) {
            let (name, changed) = (printable(&tool.tool), changed(&tool.changes, paint));
            output = output.and(&format!(
                "\nwhat waits of {name} differs from what was accepted:\n{changed}{}",
                why(tool)
            ));
        }
        for tool in tools.iter().filter(|tool| tool.held.is_some()) {
            let name = printable(&tool.tool);
            output = output.and(&format!(
                "\n{name} waits for a person, for what its definition says:\n{}",
                why(tool)
            ));
        }
    }
    Ok(noted(output, discovery))
}

/// With a note where the server could not be asked.
fn noted(output: Output, discovery: &Discovery) -> Output {
    match discovery {
        Discovery::Failed(why) => output.remark(&format!(
            "note: this is what was known before: {}",
            printable(why)
        )),
        _ => output,
    }
}

fn tool_cells(tool: &ToolView) -> [Cell; 5] {
    let (state, tone) = match tool.state {
        ToolState::Accepted => ("accepted", Tone::Good),
        ToolState::New => ("new, waits", Tone::Waiting),
        ToolState::Changed => ("changed, waits", Tone::Bad),
    };
    let hash = tool.waiting_hash.as_ref().unwrap_or(&tool.hash);
    [
        plain(&tool.tool),
        risk_cell(tool),
        (state.to_owned(), tone),
        plain(short(hash)),
        plain(description(tool)),
    ]
}

/// The class in force; of what waits, the class that it would have.
fn risk_cell(tool: &ToolView) -> Cell {
    let judged = tool.risk.as_ref().map(|risk| risk.class.as_str());
    let class = match tool.state {
        ToolState::Accepted => tool.class.as_deref(),
        ToolState::New | ToolState::Changed => judged,
    };
    let class = class.unwrap_or("unknown");
    let tone = match class {
        "read" => Tone::Good,
        "write" => Tone::Plain,
        "execute" | "unknown" => Tone::Waiting,
        _ => Tone::Bad,
    };
    (class.to_owned(), tone)
}

/// Why a tool has the class that it has, and what is odd in its definition.
fn why(tool: &ToolView) -> String {
    let Some(risk) = &tool.risk else {
        return String::new();
    };
    let mut lines = vec![format!("    {}\n", printable(&risk.rationale))];
    lines.extend(risk.findings.iter().map(|finding| {
        let (place, words) = (printable(&finding.place), printable(&finding.words));
        format!("    {} at {place}: {words}\n", finding.meaning)
    }));
    lines.concat()
}

/// The beginning of what the server says of the tool.
fn description(tool: &ToolView) -> String {
    const WIDTH: usize = 60;
    let definition = tool.waiting_definition.as_ref().unwrap_or(&tool.definition);
    let value: serde_json::Value = serde_json::from_str(definition.get()).unwrap_or_default();
    let text = value.get("description").and_then(|text| text.as_str());
    let line = text
        .and_then(|text| text.lines().next())
        .unwrap_or_default();
    beginning(line, WIDTH)
}

/// Accepts, and shows what that changed.
pub(super) fn pin(dir: &DataDirArg, (format, paint): (&FormatArg, Paint), pin: Request) -> Done {
    match request(dir.data_dir.as_deref(), pin)? {
        Response::Pinned { tools, .. } if format.json => Output::json(&tools),
        Response::Pinned { server, tools } if tools.is_empty() => {
            Ok(Output::text(format!("nothing of {server} waits\n")))
        }
        Response::Pinned { server, tools } => {
            let lines = tools.iter().map(|pinned| {
                let (tool, hash) = (printable(&pinned.tool), short(&pinned.hash));
                let changed = changed(&pinned.changes, paint);
                format!("accepted {tool} of {server} ({hash})\n{changed}")
            });
            Ok(Output::text(lines.collect::<String>()))
        }
        _ => Err(unexpected()),
    }
}

/// Shows what there is to accept, as far as it is named.
pub(super) fn would_pin(
    dir: &DataDirArg,
    (format, paint): (&FormatArg, Paint),
    name: &Name,
    named: &[String],
) -> Done {
    let asked = Request::ServerTools { name: name.clone() };
    let Response::Tools {
        tools, discovery, ..
    } = request(dir.data_dir.as_deref(), asked)?
    else {
        return Err(unexpected());
    };
    if let Some(unknown) = named
        .iter()
        .find(|named| tools.iter().all(|t| t.tool != **named))
    {
        let what = format!("{name} has no tool {}", printable(unknown));
        let advice = format!("`portreeve server tools {name}` lists them");
        return Err(Failure::no(what, advice));
    }
    let is_meant = |tool: &ToolView| named.is_empty() || named.contains(&tool.tool);
    let waiting: Vec<&ToolView> = tools
        .iter()
        .filter(|tool| tool.state != ToolState::Accepted && is_meant(tool))
        .collect();
    let output = if format.json {
        Output::json(&waiting)?
    } else if waiting.is_empty() {
        Output::text(format!("nothing of {name} waits\n"))
    } else {
        let would = waiting.iter().map(|tool| {
            let hash = short(tool.waiting_hash.as_ref().unwrap_or(&tool.hash));
            let (shown, changed) = (printable(&tool.tool), changed(&tool.changes, paint));
            format!(
                "would accept {shown} of {name} ({hash})\n{changed}{}",
                why(tool)
            )
        });
        Output::text(would.collect::<String>())
    };
    Ok(noted(output, &discovery))
}

/// The first digits of a hash: enough to compare.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// What a changed definition changes, indented.
fn changed(changes: &[String], paint: Paint) -> String {
    let line = |line: &String| {
        let tone = match line.chars().next() {
            Some('-') => Tone::Bad,
            Some('+') => Tone::Good,
            _ => Tone::Plain,
        };
        format!("    {}\n", paint.tone(tone, &printable(line)))
    };
    changes.iter().map(line).collect()
}
