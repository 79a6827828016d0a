//! `portreeve policy recommend`

use std::path::PathBuf;

use clap::Args;
use portreeve_policy::json::{Rules, parse};
use portreeve_risk::{Definition, recommend};

use super::super::desk::{request, unexpected};
use super::super::output::Output;
use super::super::risk::Tools;
use super::super::{DataDirArg, Done};
use crate::admin::{Failure, Request, Response};
use crate::name::Name;

#[derive(Debug, Args)]
#[command(
    after_help = "It is a beginning, to be read before it is put in force: \
                        `portreeve policy recommend --server S > s.json`, then \
                        `portreeve policy put NAME s.json --server S`."
)]
pub(in crate::cli) struct Recommend {
    /// A `tools/list` result or definitions, one a line; `-` for standard input
    #[arg(default_value = "-", value_name = "FILE", conflicts_with = "server")]
    file: PathBuf,
    /// Take the tools of this server
    #[arg(long)]
    server: Option<Name>,
    #[command(flatten)]
    dir: DataDirArg,
}

impl Recommend {
    pub(super) fn run(self) -> Done {
        let Some(name) = self.server else {
            return of_texts(&Tools::read(&self.file)?);
        };
        let asked = Request::ServerTools { name: name.clone() };
        let Response::Tools { tools, .. } = request(self.dir.data_dir.as_deref(), asked)? else {
            return Err(unexpected());
        };
        if tools.is_empty() {
            return Err(Failure::no(
                format!("no tools of {name} are known"),
                "let a running gate look at the server: `portreeve server tools NAME` lists what it has seen",
            ));
        }
        // What is pinned is what may be called; a changed definition has its turn when it is accepted.
        let texts = tools.iter().map(|tool| tool.definition.get().to_owned());
        of_texts(&Tools::of_lines(texts, name.as_ref()))
    }
}

fn of_texts(tools: &Tools) -> Done {
    let mut trees = Vec::new();
    for (place, text) in tools.iter() {
        let tree = parse(text.as_bytes(), Rules::MESSAGE)
            .map_err(|error| Tools::unreadable(place, &error.to_string()))?;
        trees.push((place, tree));
    }
    let mut definitions = Vec::new();
    for (place, tree) in &trees {
        let server = tools.server_of(tree);
        let definition = Definition::of_tree(tree, Some(server))
            .map_err(|error| Tools::unreadable(place, &error.to_string()))?;
        definitions.push(definition);
    }
    if definitions.is_empty() {
        return Err(Failure::no(
            "there are no tools to recommend a policy for",
            "give a tools/list result, or definitions, one a line",
        ));
    }
    Ok(Output::text(recommend::for_server(&definitions)))
}
