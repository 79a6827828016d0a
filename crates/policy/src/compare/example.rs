//! Calls that show what a change does: a few for each name that either policy mentions.
//!
//! Where the changes leave open what they do together, a call that passes now and did not before,
//! and one the other way round, show that they do both. Finding none shows nothing.

use std::collections::BTreeSet;

use super::certain::Map;
use super::{Shift, Side};
use crate::document::Selector;
use crate::limits::Counters;
use crate::{
    Bit, Bits, Class, Classes, Decision, Facts, Pin, Policy, ServerRequest, Subject, ToolFacts,
    Traits,
};

/// [`Shift::Both`], if there is an example of each.
pub(super) fn of_both(old: &Side<'_>, new: &Side<'_>) -> Option<Shift> {
    let [tools, resources, prompts] = Map::ALL.map(|map| examples(map, [old, new]));
    let methods = [old, new]
        .into_iter()
        .flat_map(|side| &side.document.methods);
    let methods: BTreeSet<&str> = methods.map(|m| &*m.name).chain([NOBODYS]).collect();
    let tools = tools
        .iter()
        .flat_map(|name| natures().map(|nature| tool(name, nature)));
    let resources = resources.iter().map(|uri| Subject::Resource { uri });
    let prompts = prompts.iter().map(|name| Subject::Prompt { name });
    let methods = methods.into_iter().map(|name| Subject::Method { name });
    let requests = ServerRequest::ALL.into_iter().map(Subject::ServerRequest);
    let subjects = tools.chain(resources).chain(prompts).chain(methods);
    let (mut helped, mut hindered) = (false, false);
    for subject in subjects.chain(requests) {
        let (before, after) = (reach(&old.policy, subject), reach(&new.policy, subject));
        helped |= before < after;
        hindered |= before > after;
        if helped && hindered {
            return Some(Shift::Both);
        }
    }
    None
}

/// A name that no policy is likely to have a rule for.
const NOBODYS: &str = "what:nobody-names";

/// A name for each selector, and one that nothing names.
fn examples(map: Map, sides: [&Side<'_>; 2]) -> BTreeSet<String> {
    let keys = sides.into_iter().flat_map(|side| {
        let hidden = side.document.hide.iter().filter(|_| map == Map::Tools);
        let entries = side.entries(map).iter().map(|entry| &entry.name);
        entries.chain(hidden.map(|hidden| &hidden.name))
    });
    let names = keys.filter_map(|selector| match selector {
        Selector::Exact(name) => Some(name.clone()),
        Selector::Glob(glob) => Some(glob.replace(['*', '?'], "x")),
        Selector::Kind(_) => None,
    });
    names.chain([NOBODYS.to_owned()]).collect()
}

/// One tool of each class and each bit, and one of which nothing is known.
fn natures() -> impl Iterator<Item = Traits<'static>> {
    let of = |class, bits| Traits {
        class,
        also: Classes::NONE,
        bits: Some(bits),
        schema: None,
    };
    let classes = Class::ALL
        .into_iter()
        .map(move |class| of(class, Bits::NONE));
    let bits = Bit::ALL.into_iter();
    classes.chain(bits.map(move |bit| of(Class::Read, Bits::NONE.with(bit))))
}

fn tool<'n>(name: &'n str, nature: Traits<'n>) -> Subject<'n> {
    Subject::Tool(ToolFacts::new(name, Pin::Pinned).with(nature))
}

/// How far a call gets that says nothing: refused, waiting, or through.
fn reach(policy: &Policy, subject: Subject<'_>) -> u8 {
    match policy.decide(&Facts::of(subject), &Counters::new(1)) {
        Decision::Deny(_) | Decision::Hide(_) => 0,
        Decision::Ask(_) => 1,
        Decision::Allow(_) => 2,
    }
}
