//! The documentation, held against the program: what it shows is run, and where it leads is there.
//!
//! A `json` block is a policy, and the `yaml` block after it its cases. One without `version` is a
//! part of a policy and is made whole here. A block with a message (`jsonrpc`) is neither.
//! `portreeve policy` commands in `console` blocks that are about files of `examples/policies`, or
//! read a pipe, are run at the root of the sources. `UPDATE=1` writes anew what they print, and the
//! cookbook's blocks, which are files of `examples/policies`.

mod pages;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use portreeve_policy::{Pin, Subject, ToolFacts};
use serde_json::{Value, json};

use crate::cli::{Home, Said};
use pages::{Block, Edits, Page, pages, pen, root};

/// A policy of a page and its cases.
struct Example<'p> {
    page: &'p Page,
    policy: Block<'p>,
    cases: Block<'p>,
}

impl Example<'_> {
    /// The lines stand where they stand in the page, so that a failure names the page's line.
    fn write(&self, home: &Home) -> String {
        let name = format!("{}.{}", self.page.name(), self.policy.line);
        let above = |block: &Block<'_>| "\n".repeat(block.line - 1);
        let policy = above(&self.policy) + &whole(self.policy.body);
        home.write(&format!("{name}.json"), &policy);
        let cases = format!(
            "policy: {name}.json{}{}",
            above(&self.cases),
            without_policy(self.cases.body)
        );
        home.write(&format!("{name}.yaml"), &cases);
        format!("{name}.json")
    }
}

/// A part of a policy becomes one: what it must have is put before it, on its first line.
fn whole(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    if value.get("version").is_some() {
        return text.to_owned();
    }
    text.replacen('{', r#"{ "version": "1", "default": "deny","#, 1)
}

/// Cases that name a policy mean the one that stands above them.
fn without_policy(cases: &str) -> String {
    match cases.split_once('\n') {
        Some((first, rest)) if first.starts_with("policy: ") => format!("\n{rest}"),
        _ => cases.to_owned(),
    }
}

fn is_policy(block: &Block<'_>) -> bool {
    let is_other = |word: &&str| block.body.contains(*word);
    block.info == "json" && !["\"jsonrpc\"", "\"mcpServers\""].iter().any(is_other)
}

/// The policies of a page, each with the cases after it.
fn examples(page: &Page) -> Vec<Example<'_>> {
    let blocks = page.blocks();
    let place = |block: &Block<'_>| format!("{}:{}", page.path.display(), block.line);
    let cases = |block: &Block<'_>| block.info == "yaml" && block.body.contains("cases:");
    for (i, block) in blocks.iter().enumerate() {
        let after_a_policy = i.checked_sub(1).is_some_and(|i| is_policy(&blocks[i]));
        assert!(
            !cases(block) || after_a_policy,
            "{}: no policy before these cases",
            place(block)
        );
    }
    let mut examples = Vec::new();
    for (i, policy) in blocks.iter().enumerate().filter(|(_, b)| is_policy(b)) {
        let next = blocks.get(i + 1).filter(|next| cases(next));
        let next = next.unwrap_or_else(|| panic!("{}: no cases after this policy", place(policy)));
        let shows = |word: &&&str| next.body.contains(&format!("expect: {word}"));
        assert!(
            ["allow", "deny", "ask"].iter().filter(shows).count() >= 2,
            "{}: these cases do not show what passes beside what does not",
            place(next)
        );
        examples.push(Example {
            page,
            policy: *policy,
            cases: *next,
        });
    }
    examples
}

#[test]
fn every_example_comes_out_as_it_says() {
    let (home, pages) = (Home::new(), pages());
    let examples: Vec<Example<'_>> = pages.iter().flat_map(examples).collect();
    assert!(examples.len() >= 45, "only {} examples", examples.len());
    for example in &examples {
        example.write(&home);
    }
    let said = home.run(&["policy", "test", "."]);
    assert_eq!(said.code, 0, "{}", said.out);
    let files = format!("in {} files)\n", examples.len());
    assert!(said.out.ends_with(&files), "{}", said.out);
}

#[test]
fn no_example_is_warned_about() {
    let (home, pages) = (Home::new(), pages());
    let files: Vec<String> = pages
        .iter()
        .flat_map(examples)
        .map(|e| e.write(&home))
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let checked = home.run(&[&["policy", "check", "--json"], &files[..]].concat());
    let checked: Vec<Value> = serde_json::from_str(&checked.out).expect("JSON");
    assert_eq!(checked.len(), files.len());
    for file in &checked {
        assert_eq!(file["problems"], json!([]), "{file}");
    }
}

/// Runs a line as a shell does, with this program in the path.
fn shell(line: &str) -> String {
    let home = Home::new();
    let program = Path::new(env!("CARGO_BIN_EXE_portreeve"));
    let folder = program.parent().expect("a folder").display();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {line}")])
        .current_dir(root())
        .env_clear()
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .env("HOME", home.path(""))
        .output()
        .expect("a shell");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_end().to_owned()
}

/// Commands about files that are there; others show how a command is written.
fn is_run(line: &str) -> bool {
    line.contains("portreeve policy ")
        && (line.contains(" examples/policies/") || line.contains(" | portreeve"))
}

/// The block with what its commands print now.
fn printed(block: &str) -> String {
    let mut text = String::new();
    for part in block.split_inclusive('\n').fold(Vec::new(), by_command) {
        match part.lines().next().and_then(|line| line.strip_prefix("$ ")) {
            Some(line) if is_run(line) => {
                let out = shell(line);
                let _ = write!(text, "$ {line}\n{out}\n");
            }
            _ => text.push_str(&part),
        }
    }
    text
}

fn by_command(mut parts: Vec<String>, line: &str) -> Vec<String> {
    match parts.last_mut() {
        Some(last) if !line.starts_with("$ ") => last.push_str(line),
        _ => parts.push(line.to_owned()),
    }
    parts
}

#[test]
fn commands_print_what_the_pages_show() {
    let (mut count, _pen) = (0, pen());
    for page in pages() {
        let mut edits = Edits::of(&page);
        for block in page.blocks().iter().filter(|b| b.info == "console") {
            count += block.body.lines().filter(|line| is_run(line)).count();
            edits.replace(block, &printed(block.body));
        }
        edits.settle();
    }
    assert!(count >= 4, "only {count} commands were run");
}

const RECIPES: &str = "examples/policies";

/// The folders that hold a policy.
fn recipes(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            recipes(&path, found);
        } else if path.ends_with("policy.json") {
            found.insert(folder.to_owned());
        }
    }
}

#[test]
fn the_cookbook_shows_every_policy_that_comes_with_it() {
    let _pen = pen();
    let mut unseen = BTreeSet::new();
    recipes(&root().join(RECIPES), &mut unseen);
    let pages = pages();
    let page = pages.iter().find(|page| page.name() == "cookbook.md");
    let page = page.expect("docs/cookbook.md");
    let mut edits = Edits::of(page);
    let blocks = page.blocks();
    for pair in blocks.windows(2).filter(|pair| is_policy(&pair[0])) {
        let link = format!("](../{RECIPES}/");
        let before = &page.text[..pair[0].start];
        let (_, rest) = before.rsplit_once(&link).expect("a link to the files");
        let folder = root()
            .join(RECIPES)
            .join(rest.split(')').next().expect("a name"));
        assert!(
            unseen.remove(&folder),
            "{}: shown twice, or not there",
            folder.display()
        );
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
        edits.replace(&pair[0], &read("policy.json"));
        edits.replace(&pair[1], &read("test.yaml"));
    }
    edits.settle();
    assert!(
        unseen.is_empty(),
        "docs/cookbook.md does not show {unseen:?}"
    );
}

#[test]
fn the_cookbooks_files_hold_as_they_are() {
    let folder = root().join(RECIPES);
    let folder = folder.to_str().expect("a path");
    let Said { code, out, .. } = Home::new().run(&["policy", "test", folder]);
    assert_eq!(code, 0, "{out}");
}

/// Tables "`tool` answers | the agent gets", under the policy before them.
#[test]
fn what_is_taken_out_of_results_is_what_the_pages_show() {
    let mut rows = 0;
    for page in pages() {
        let blocks = page.blocks();
        for (at, _) in page.text.match_indices("` answers | the agent gets |") {
            let tool = page.text[..at].rsplit('`').next().expect("a name");
            let policy = blocks.iter().rfind(|b| is_policy(b) && b.start < at);
            let policy = whole(policy.expect("a policy").body);
            let policy = portreeve_policy::compile(policy.as_bytes()).expect("a policy");
            let subject = Subject::Tool(ToolFacts::new(tool, Pin::Pinned));
            let rules = policy.policy.result_rules(&subject);
            let table = page.text[at..].lines().skip(2);
            for row in table.take_while(|line| line.starts_with('|')) {
                let cells: Vec<&str> = row.split('`').collect();
                let [_, answered, _, given, _] = cells[..] else {
                    panic!("{row}")
                };
                assert_eq!(rules.redacted(answered), given);
                rows += 1;
            }
        }
    }
    assert!(rows >= 8, "only {rows} rows were looked at");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = pages();
    let mut links = 0;
    for page in &pages {
        for (target, line) in page.links() {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => page.path.clone(),
                file => page.path.parent().expect("a folder").join(file),
            };
            let place = format!("{}:{line}: {target}", page.path.display());
            assert!(path.exists(), "{place}: no such file");
            let other = pages.iter().find(|other| same(&other.path, &path));
            if let (Some(other), false) = (other, anchor.is_empty()) {
                assert!(other.anchors().contains(anchor), "{place}: no such chapter");
            }
            links += 1;
        }
    }
    assert!(links >= 30, "only {links} links were followed");
}

fn same(a: &Path, b: &Path) -> bool {
    a.canonicalize().expect("a file") == b.canonicalize().expect("a file")
}
