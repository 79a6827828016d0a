//! Evidence in the name and the title.
//!
//! A name is a short sentence without grammar: `todoist_delete_task`, `message_send`,
//! `order_history`. The verb is the first word that is hardly anything else; a word that may be a
//! noun counts where a verb would stand, and not before a noun of information.

use portreeve_policy::Class;

use crate::context::Context;
use crate::definition::Definition;
use crate::evidence::Collected;
use crate::lexicon::{
    self, Sense, Strength, Verb, find_exact, is_adverb, is_info, is_strong, makes_noun, set_has,
};
use crate::verdict::Place;
use crate::words;

/// What the worst of several verbs side by side weighs: a tool that does both does the worse.
pub(crate) const WORST: i32 = 20;

/// The verb of a list of words: where it stands and how much it weighs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub at: usize,
    pub verb: &'static Verb,
    pub weight: i32,
}

pub(crate) fn collect(definition: &Definition<'_>, context: &Context, found: &mut Collected) {
    let tokens = words::of_name(definition.name);
    let tokens = without_vendor(&tokens, context);
    let known = of_words(tokens, context, found, Place::Name, "name.verb");
    restriction(tokens, found);
    if !definition.title.is_empty() && !known {
        let title = words::of_name(definition.title);
        of_words(&title, context, found, Place::Title, "title.verb");
    }
    if !found.has("name.verb") && !found.has("title.verb") {
        without_verb(tokens, found);
    }
}

/// Leaves out what is the server's name and no verb.
fn without_vendor<'t>(tokens: &'t [String], context: &Context) -> &'t [String] {
    let mut rest = tokens;
    while let [first, more @ ..] = rest {
        let vendor = context.server.contains(first) && !is_strong(first);
        if more.is_empty() || !(vendor || (is_adverb(first) && more.len() > 1)) {
            break;
        }
        rest = more;
    }
    rest
}

fn of_words(
    tokens: &[String],
    context: &Context,
    found: &mut Collected,
    place: Place,
    rule: &'static str,
) -> bool {
    let Some(head) = head(tokens) else {
        return foreign(tokens, found, place);
    };
    let sense = sense_at(tokens, head, context);
    let words = spoken(tokens, head.at);
    found
        .objects
        .extend(objects(tokens, head.at).map(str::to_owned));
    if found.verb.is_none() {
        found.verb = Some(head.verb.base.to_owned());
    }
    found.add(
        rule,
        sense.class,
        head.weight,
        place.clone(),
        (&words, meaning(head.verb, sense)),
    );
    coordinated(tokens, head, context, found, &place);
    true
}

/// The verb of a name.
pub(crate) fn head(tokens: &[String]) -> Option<Head> {
    let strong = tokens
        .iter()
        .enumerate()
        .position(|(at, token)| is_strong(token) && !after_preposition(tokens, at));
    let first = tokens.first().and_then(|token| find_exact(token));
    if let Some(verb) = first.filter(|verb| verb.strength != Strength::Plain) {
        let alone = tokens.len() == 1;
        let later = strong.and_then(|at| Some((at, find_exact(tokens.get(at)?)?)));
        let reads = verb.sense(std::iter::empty()).class == Class::Read;
        let yields = if let Some((at, _)) = later {
            // `message_send`, `comment_add`: the noun came first; `query_delete_logs`: it did not.
            !reads || at == 1 || at.saturating_add(1) == tokens.len()
        } else {
            let next = tokens.get(1).filter(|next| !is_strong(next));
            !reads && next.is_some_and(|next| makes_noun(verb, next))
        };
        if !yields {
            let weight = match (verb.strength, alone) {
                (Strength::Weak, _) => 4,
                (_, true) => 7,
                _ => 8,
            };
            return Some(Head {
                at: 0,
                verb,
                weight,
            });
        }
        later?;
    }
    if let Some(at) = strong {
        let verb = find_exact(tokens.get(at)?)?;
        return (!is_state_of(tokens, at)).then_some(Head {
            at,
            verb,
            weight: 10,
        });
    }
    let last = tokens.len().checked_sub(1)?;
    let candidates = (0..=last).rev().filter(|at| *at == last || *at > 0);
    for at in candidates {
        let Some(verb) = tokens.get(at).and_then(|token| find_exact(token)) else {
            continue;
        };
        let before_info = tokens
            .get(at.saturating_add(1))
            .is_some_and(|next| makes_noun(verb, next));
        let is_noun = is_info(verb.base) && verb.base != "type" && at == last && last > 0;
        if before_info || is_noun {
            continue;
        }
        let weight = match (verb.strength, at == last) {
            (Strength::Noun, true) => 6,
            (Strength::Noun, false) => 5,
            (_, true) => 4,
            _ => 3,
        };
        return Some(Head { at, verb, weight });
    }
    inflected(tokens)
}

/// `mark_as_read`: what comes after a preposition is not what the tool does.
fn after_preposition(tokens: &[String], at: usize) -> bool {
    let previous = at.checked_sub(1).and_then(|at| tokens.get(at));
    previous.is_some_and(|word| {
        matches!(
            word.as_str(),
            "as" | "for"
                | "of"
                | "by"
                | "from"
                | "in"
                | "on"
                | "with"
                | "before"
                | "after"
                | "without"
        )
    })
}

/// `migrate_status`, `sync_history`: the name of a process, and what is known of it.
fn is_state_of(tokens: &[String], at: usize) -> bool {
    const STATES: [&str; 7] = [
        "status", "history", "progress", "log", "logs", "result", "results",
    ];
    const PROCESSES: [&str; 8] = [
        "sync",
        "import",
        "restore",
        "upload",
        "ingest",
        "publish",
        "import",
        "synchronize",
    ];
    let verb = tokens.get(at).and_then(|token| find_exact(token));
    let process = verb.is_some_and(|verb| {
        verb.sense(std::iter::empty()).class == Class::Execute || PROCESSES.contains(&verb.base)
    });
    let last = tokens.len() == at.saturating_add(2);
    process
        && last
        && tokens
            .last()
            .is_some_and(|token| STATES.contains(&token.as_str()))
}

/// `listing`, `deletes`, `user_creation`: a form of a verb and nothing better.
fn inflected(tokens: &[String]) -> Option<Head> {
    if tokens.iter().any(|token| is_info(token)) {
        return None;
    }
    tokens.iter().enumerate().find_map(|(at, token)| {
        if after_preposition(tokens, at) {
            return None;
        }
        let (verb, _) =
            lexicon::base(token).filter(|(verb, _)| verb.strength == Strength::Plain)?;
        Some(Head {
            at,
            verb,
            weight: 4,
        })
    })
}

fn objects(tokens: &[String], verb_at: usize) -> impl Iterator<Item = &str> + Clone {
    let after = tokens.get(verb_at.saturating_add(1)..).unwrap_or_default();
    let before = tokens.get(..verb_at).unwrap_or_default();
    let chosen = if after.is_empty() { before } else { after };
    chosen.iter().map(String::as_str)
}

pub(crate) fn sense_at(tokens: &[String], head: Head, context: &Context) -> Sense {
    head.verb
        .sense(objects(tokens, head.at).chain(context.tags()))
}

/// `save_or_update`, `get_and_delete`: the others count as well.
fn coordinated(
    tokens: &[String],
    head: Head,
    context: &Context,
    found: &mut Collected,
    place: &Place,
) {
    for (at, pair) in tokens.windows(2).enumerate() {
        let [and, token] = pair else { continue };
        if !matches!(and.as_str(), "and" | "or" | "then") || at < head.at {
            continue;
        }
        if let Some(verb) = find_exact(token) {
            let at = at.saturating_add(1);
            let also = Head {
                at,
                verb,
                weight: 0,
            };
            let sense = sense_at(tokens, also, context);
            let worse = sense.class > sense_at(tokens, head, context).class;
            let weight = if worse && verb.strength != Strength::Weak {
                WORST
            } else {
                2
            };
            let words = spoken(tokens, at);
            let meaning = meaning(verb, sense);
            found.add(
                "name.and",
                sense.class,
                weight,
                place.clone(),
                (&words, meaning),
            );
        }
    }
}

/// The verb and what comes after it, as it is quoted.
fn spoken(tokens: &[String], at: usize) -> String {
    let end = at.saturating_add(4).min(tokens.len());
    tokens.get(at..end).unwrap_or_default().join(" ")
}

/// What a verb means, in our words.
pub(crate) fn meaning(verb: &Verb, sense: Sense) -> String {
    let said = match sense.class {
        Class::Read => "looks at something",
        Class::Write => "changes something that can be changed back",
        Class::Execute => "makes something run",
        Class::Destructive => "takes something away",
        Class::Financial => "moves value or binds to it",
        Class::Unknown => "says nothing of what happens",
    };
    let object = sense
        .object
        .map(|object| object.trim_start_matches(['@', '~']));
    match object {
        Some(object) => format!("“{}” with “{object}” {said}", verb.base),
        None => format!("“{}” {said}", verb.base),
    }
}

fn foreign(tokens: &[String], found: &mut Collected, place: Place) -> bool {
    let Some(verb) = lexicon::name_verb(tokens) else {
        return false;
    };
    let meaning = format!("a verb in {}", capitalised(verb.language));
    found.add("name.verb", verb.class, 8, place, (&verb.words, meaning));
    true
}

pub(crate) fn capitalised(language: &str) -> String {
    let mut chars = language.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

/// A name without a verb is a thing, and things are mostly to be looked at.
fn without_verb(tokens: &[String], found: &mut Collected) {
    let words = tokens.join(" ");
    let topic = |token: &String| is_info(token) || set_has("topic", token);
    let many = tokens
        .last()
        .is_some_and(|last| last.len() > 4 && last.ends_with('s'));
    let turned = tokens
        .get(1)
        .is_some_and(|word| word == "to" || word == "2")
        && tokens.len() > 2;
    let (rule, weight) = match tokens.iter().any(topic) {
        _ if turned => ("name.conversion", 6),
        true => ("name.information", 6),
        false if many => ("name.things", 4),
        false => ("name.thing", 2),
    };
    let meaning = "a noun alone: something to look at".to_owned();
    found.add(rule, Class::Read, weight, Place::Name, (&words, meaning));
}

/// `preview_delete`, `query_readonly`: the name says that nothing happens.
fn restriction(tokens: &[String], found: &mut Collected) {
    let joined = tokens.join(" ");
    let says = ["read only", "readonly", "dry run", "dryrun"]
        .into_iter()
        .find(|words| joined.contains(words));
    if let Some(words) = says {
        found.restriction = Some((Place::Name, words.to_owned()));
    }
}
