//! Evidence in the description.
//!
//! The first sentence says what a tool does: its verb counts, and verbs side by side with it.
//! Later sentences count only where they warn. Lists of arguments and examples are not read here.

mod said;

use portreeve_policy::Class;

use crate::context::Context;
use crate::definition::Definition;
use crate::evidence::Collected;
use crate::lexicon::{self, Form, Strength, Verb, base, is_adverb};
use crate::name::{WORST, capitalised, meaning};
use crate::verdict::Place;
use crate::words::{self, Gap, Word};

pub(crate) fn collect(definition: &Definition<'_>, context: &Context, found: &mut Collected) {
    let text = words::lowered(definition.description);
    let all = words::of_text(&text);
    if all.is_empty() && text.trim().is_empty() {
        return;
    }
    let prose = without_lists(&all);
    if lexicon::is_foreign(&text, prose) {
        if let Some(verb) = lexicon::first_verb(&text, prose) {
            let meaning = format!("a verb in {}", capitalised(verb.language));
            let place = Place::Description;
            found.add(
                "description.foreign",
                verb.class,
                9,
                place,
                (&verb.words, meaning),
            );
        }
    } else {
        first_sentence(prose, context, found);
    }
    said::listed_actions(&all, context, found);
    said::warnings(&text, found);
    said::restrictions(&text, found);
}

/// Cuts before the list of arguments.
fn without_lists<'w, 't>(all: &'w [Word<'t>]) -> &'w [Word<'t>] {
    const HEADS: [&str; 14] = [
        "args",
        "arguments",
        "parameters",
        "params",
        "returns",
        "return",
        "example",
        "examples",
        "raises",
        "usage",
        "parameter",
        "output",
        "input",
        "inputs",
    ];
    let cut = all.iter().enumerate().position(|(at, word)| {
        let next = all.get(at.saturating_add(1));
        let alone = next.is_none_or(|next| next.before >= Gap::Break);
        at > 2 && word.before == Gap::Sentence && alone && HEADS.contains(&word.text)
    });
    cut.and_then(|cut| all.get(..cut)).unwrap_or(all)
}

/// A verb and where it stands.
#[derive(Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "`at` is the word for it")]
struct At {
    verb: &'static Verb,
    form: Form,
    at: usize,
}

fn first_sentence(prose: &[Word<'_>], context: &Context, found: &mut Collected) {
    let mut from = 0_usize;
    // A heading or a badge may come first: three sentences get their chance.
    for _ in 0..3 {
        let Some(rest) = prose.get(from..).filter(|rest| !rest.is_empty()) else {
            return;
        };
        let length = sentence_length(rest);
        let sentence = rest.get(..length).unwrap_or(rest);
        if let Some(main) = main_verb(sentence) {
            into_store(sentence, main, found);
            add(
                sentence,
                main,
                context,
                found,
                ("description.verb", weight(main, sentence)),
            );
            side_by_side(sentence, main, context, found);
            purpose(sentence, main, context, found);
            return;
        }
        from = from.saturating_add(length);
    }
    thing(prose, found);
}

/// No verb at all, but a word for information: something to look at.
fn thing(prose: &[Word<'_>], found: &mut Collected) {
    let word = prose.iter().take(20).find(|word| {
        lexicon::is_info(word.text)
            || matches!(
                word.text,
                "data" | "views" | "events" | "photos" | "knowledge"
            )
    });
    if let Some(word) = word {
        let meaning = "a noun of information, and no verb".to_owned();
        let place = Place::Description;
        found.add(
            "description.thing",
            Class::Read,
            3,
            place,
            (word.text, meaning),
        );
    }
}

/// "Crawls a site into the knowledge base": what is looked at is kept.
fn into_store(sentence: &[Word<'_>], main: At, found: &mut Collected) {
    const STORES: [&str; 14] = [
        "base",
        "database",
        "index",
        "collection",
        "memory",
        "table",
        "workspace",
        "library",
        "store",
        "blender",
        "project",
        "scene",
        "vault",
        "account",
    ];
    let Some(at) = sentence.iter().position(|word| word.text == "into") else {
        return;
    };
    let reads = main.verb.sense(std::iter::empty()).class == Class::Read;
    let mut after = sentence.iter().skip(at).take(6);
    let store = after.rfind(|word| STORES.contains(&word.text));
    if let Some(store) = store.filter(|_| reads && at > main.at) {
        let meaning = "what it finds is put into a store".to_owned();
        let words = format!("into … {}", store.text);
        found.add(
            "description.into",
            Class::Write,
            14,
            Place::Description,
            (&words, meaning),
        );
    }
}

fn sentence_length(words: &[Word<'_>]) -> usize {
    words
        .iter()
        .skip(1)
        .position(|word| word.before == Gap::Sentence)
        .map_or(words.len(), |at| at.saturating_add(1))
}

fn weight(main: At, sentence: &[Word<'_>]) -> i32 {
    let before_article = sentence.get(main.at.saturating_add(1)).is_some_and(|next| {
        matches!(
            next.text,
            "a" | "an"
                | "the"
                | "all"
                | "your"
                | "one"
                | "multiple"
                | "new"
                | "this"
                | "any"
                | "specific"
                | "existing"
                | "up"
        )
    });
    match (main.verb.strength, main.form) {
        (Strength::Plain, Form::Noun) => 5,
        (Strength::Plain, _) => 9,
        (Strength::Noun, _) if before_article => 9,
        (Strength::Noun, Form::Noun) => 3,
        (Strength::Noun, _) => 7,
        (Strength::Weak, _) => 4,
    }
}

/// Words that lead up to the verb: *this tool allows you to …*.
const LEADS: [&str; 70] = [
    "this",
    "tool",
    "the",
    "it",
    "a",
    "an",
    "that",
    "which",
    "to",
    "you",
    "your",
    "users",
    "user",
    "allows",
    "allow",
    "allowing",
    "enables",
    "enable",
    "lets",
    "let",
    "used",
    "use",
    "is",
    "are",
    "can",
    "will",
    "helps",
    "help",
    "function",
    "endpoint",
    "command",
    "method",
    "operation",
    "agent",
    "agents",
    "ai",
    "assistant",
    "assistants",
    "llm",
    "model",
    "claude",
    "for",
    "when",
    "designed",
    "utility",
    "please",
    "tries",
    "attempts",
    "be",
    "in",
    "order",
    "api",
    "mcp",
    "one",
    "them",
    "responsible",
    "provides",
    "ability",
    "capability",
    "needed",
    "need",
    "want",
    "wants",
    "by",
    "simply",
    "action",
    "should",
    "must",
    "purpose",
    "helper",
];

fn main_verb(sentence: &[Word<'_>]) -> Option<At> {
    let mut led = false;
    for (at, word) in sentence.iter().enumerate().take(14) {
        let next = sentence.get(at.saturating_add(1));
        let previous = at
            .checked_sub(1)
            .and_then(|at| sentence.get(at))
            .map(|word| word.text);
        let found = base(word.text).map(|(verb, form)| At { verb, form, at });
        let leads_up = LEADS.contains(&word.text) && !(at == 0 && opens_with_verb(word.text, next));
        if leads_up {
            led |= at > 0 || word.text != "the";
            continue;
        }
        if let Some(main) = found {
            let verbal = match main.form {
                Form::Noun => false,
                Form::Past => at == 0,
                _ if at == 0 => !is_compound(sentence),
                Form::Base => {
                    matches!(
                        previous,
                        Some("to" | "can" | "will" | "you" | "and" | "or" | "helps" | "please")
                    ) || (led
                        && (main.verb.strength == Strength::Plain
                            || previous
                                .is_some_and(|word| LEADS.contains(&word) && word.len() > 3)))
                        || word.before == Gap::Break
                        || previous.is_some_and(is_adverb)
                }
                Form::Third => main.verb.strength == Strength::Plain || previous == Some("tool"),
                Form::Gerund => matches!(previous, Some("for" | "by" | "when" | "is")),
            };
            if verbal {
                return Some(main);
            }
        }
        if word.before == Gap::Break && at > 0 && found.is_none() {
            led = true;
        }
    }
    // No sentence, but a name: *text extraction tool*.
    sentence.iter().enumerate().take(12).find_map(|(at, word)| {
        let (verb, form) = base(word.text)?;
        let usable = match form {
            Form::Base | Form::Past => false,
            Form::Gerund => true,
            Form::Third | Form::Noun => verb.strength == Strength::Plain,
        };
        usable.then_some(At {
            verb,
            form: Form::Noun,
            at,
        })
    })
}

/// "Use …" and "Help …" lead to another verb; "Model …", "Order …" may be verbs themselves.
fn opens_with_verb(word: &str, next: Option<&Word<'_>>) -> bool {
    let article = next.is_some_and(|next| matches!(next.text, "a" | "an" | "the" | "one" | "food"));
    word == "order" && article
}

/// "Order management for shops", "Search results of …": the first word is no verb.
fn is_compound(sentence: &[Word<'_>]) -> bool {
    let [first, next, ..] = sentence else {
        return false;
    };
    let Some((verb, form)) = base(first.text) else {
        return false;
    };
    let noun = verb.strength == Strength::Noun && form != Form::Third;
    noun && lexicon::makes_noun(verb, next.text) && !lexicon::is_strong(next.text)
}

fn add(
    sentence: &[Word<'_>],
    At { verb, at, .. }: At,
    context: &Context,
    found: &mut Collected,
    (rule, weight): (&'static str, i32),
) {
    let objects = objects(sentence, at);
    let sense = verb.sense(objects.iter().copied().chain(context.tags()));
    if found.verb.is_none() {
        found.verb = Some(verb.base.to_owned());
    }
    found
        .objects
        .extend(objects.iter().map(|object| (*object).to_owned()));
    let words = spoken(sentence, at);
    found.add(
        rule,
        sense.class,
        weight,
        Place::Description,
        (&words, meaning(verb, sense)),
    );
}

/// What a verb acts on: the words up to the next preposition that leads elsewhere.
fn objects<'t>(sentence: &[Word<'t>], at: usize) -> Vec<&'t str> {
    const ENDS: [&str; 27] = [
        "from",
        "to",
        "in",
        "for",
        "with",
        "by",
        "on",
        "using",
        "via",
        "that",
        "which",
        "into",
        "where",
        "if",
        "at",
        "so",
        "when",
        "based",
        "through",
        "between",
        "within",
        "without",
        "as",
        "about",
        "matching",
        "including",
        "before",
    ];
    let takes_off = sentence
        .get(at)
        .and_then(|word| base(word.text))
        .is_some_and(|(verb, _)| {
            matches!(
                verb.base,
                "remove" | "withdraw" | "transfer" | "switch" | "turn"
            )
        });
    sentence
        .iter()
        .skip(at.saturating_add(1))
        .take(8)
        .take_while(|word| {
            let ends = ENDS.contains(&word.text)
                && !(takes_off && matches!(word.text, "from" | "to" | "on" | "off"));
            word.before < Gap::Break && !ends
        })
        .map(|word| word.text)
        .collect()
}

fn spoken(sentence: &[Word<'_>], at: usize) -> String {
    let words: Vec<_> = sentence
        .iter()
        .skip(at)
        .take(7)
        .enumerate()
        .take_while(|(n, word)| *n == 0 || word.before < Gap::Sentence)
        .map(|(_, word)| word.text)
        .collect();
    words.join(" ")
}

/// "Create, update and delete tasks": every verb of the list counts, in the form of the first.
fn side_by_side(sentence: &[Word<'_>], main: At, context: &Context, found: &mut Collected) {
    for (at, word) in sentence
        .iter()
        .enumerate()
        .skip(main.at.saturating_add(1))
        .take(24)
    {
        let previous = at.checked_sub(1).and_then(|at| sentence.get(at));
        let and = previous.is_some_and(|word| matches!(word.text, "and" | "or" | "then"));
        let joined = and || matches!(word.before, Gap::Comma | Gap::Joint);
        let skip_adverb = previous.is_some_and(|word| is_adverb(word.text)) && at > 1;
        if !joined && !skip_adverb {
            continue;
        }
        let Some((verb, form)) = base(word.text) else {
            continue;
        };
        if form != main.form || form == Form::Noun {
            continue;
        }
        if verb.strength != Strength::Plain && !(and && form == Form::Base && is_worse(verb)) {
            continue;
        }
        // "Get, for a user, read posts": a comma alone needs the list to go on.
        if !and && !near(sentence, main.at, at) {
            continue;
        }
        let class_at = |at, verb: &Verb| {
            verb.sense(objects(sentence, at).into_iter().chain(context.tags()))
                .class
        };
        let worse = class_at(at, verb) > class_at(main.at, main.verb);
        let weight = if worse { WORST } else { 2 };
        add(
            sentence,
            At { verb, form, at },
            context,
            found,
            ("description.and", weight),
        );
    }
}

/// "… and transfer money": a word that may be a noun counts where it would be grave.
fn is_worse(verb: &Verb) -> bool {
    verb.strength == Strength::Noun && verb.sense(std::iter::empty()).class >= Class::Financial
        || matches!(verb.base, "transfer" | "run" | "trigger")
}

fn near(sentence: &[Word<'_>], from: usize, to: usize) -> bool {
    let between = sentence.get(from..to).unwrap_or_default();
    between.iter().skip(1).all(|word| {
        word.before != Gap::Space || base(word.text).is_some() || matches!(word.text, "and" | "or")
    })
}

/// "Use the admin API to delete users": a weak verb with a purpose.
fn purpose(sentence: &[Word<'_>], main: At, context: &Context, found: &mut Collected) {
    if main.verb.strength == Strength::Plain && main.form != Form::Noun {
        return;
    }
    for (at, word) in sentence
        .iter()
        .enumerate()
        .skip(main.at.saturating_add(1))
        .take(20)
    {
        let previous = at
            .checked_sub(1)
            .and_then(|at| sentence.get(at))
            .map(|word| word.text);
        if previous != Some("to") {
            continue;
        }
        if let Some((verb, Form::Base)) = base(word.text)
            && verb.strength == Strength::Plain
        {
            let at = At {
                verb,
                form: Form::Base,
                at,
            };
            add(sentence, at, context, found, ("description.purpose", 5));
            return;
        }
    }
}
