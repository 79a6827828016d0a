//! The verdict in a sentence: what was found, where, and why it is not the class next to it.

use std::fmt::Write as _;

use portreeve_policy::Class;

use crate::definition::Definition;
use crate::evidence::Collected;
use crate::verdict::Signal;
use crate::weigh::Weighed;

pub(crate) fn of(weighed: &Weighed, found: &Collected, definition: &Definition<'_>) -> String {
    if weighed.class == Class::Unknown {
        return unknown(found);
    }
    let neighbour = neighbour(weighed);
    let mut text = format!(
        "{} rather than {}, because {}",
        capital(weighed.class.as_str()),
        neighbour.as_str(),
        because(weighed.class, found)
    );
    text.push_str("; ");
    text.push_str(why_not(weighed.class, neighbour));
    text.push('.');
    if let Some(other) = found.best(neighbour).filter(|signal| signal.weight >= 4) {
        let _ = write!(
            text,
            " For {} speaks {}: “{}”.",
            neighbour.as_str(),
            other.place.spoken(),
            other.words
        );
    }
    if let Some(contradiction) = contradiction(weighed.class, definition) {
        text.push(' ');
        text.push_str(contradiction);
    }
    text
}

fn because(class: Class, found: &Collected) -> String {
    let mut signals: Vec<&Signal> = found
        .signals()
        .iter()
        .filter(|signal| signal.class == class && signal.weight > 0)
        .collect();
    signals.sort_by_key(|signal| std::cmp::Reverse(signal.weight));
    let said: Vec<String> = signals
        .iter()
        .take(2)
        .map(|signal| match signal.rule {
            "schema.action" => format!("{} can be “{}”", signal.place.spoken(), signal.words),
            rule if rule.starts_with("schema.") => {
                format!("{} is there: {}", signal.place.spoken(), signal.meaning)
            }
            rule if rule.starts_with("annotation.") => signal.meaning.clone(),
            _ => format!("{} says “{}”", signal.place.spoken(), signal.words),
        })
        .collect();
    if said.is_empty() {
        "nothing milder fits".to_owned()
    } else {
        said.join(" and ")
    }
}

/// The class that a reader would ask about.
fn neighbour(weighed: &Weighed) -> Class {
    let usual = match weighed.class {
        Class::Read | Class::Execute | Class::Destructive | Class::Financial => Class::Write,
        _ => Class::Read,
    };
    weighed.next.unwrap_or(usual)
}

const fn why_not(class: Class, neighbour: Class) -> &'static str {
    match (class, neighbour) {
        (Class::Read, _) => "nothing says that anything is different afterwards",
        (Class::Write, Class::Read) => "something is different afterwards",
        (Class::Write, Class::Destructive) => "what it changes can be changed back",
        (Class::Write, Class::Execute) => {
            "what happens is the change itself, not something that it sets going"
        }
        (Class::Write, _) => "it changes data and moves no value",
        (Class::Execute, Class::Read) => {
            "what happens depends on what is handed over, and need not stop at looking"
        }
        (Class::Execute, Class::Destructive) => "what it ends or starts can be started again",
        (Class::Execute, _) => "what happens depends on what is handed over or defined elsewhere",
        (Class::Destructive, Class::Execute) => {
            "what is taken away does not come back by running it again"
        }
        (Class::Destructive, _) => "what is taken away does not come back by itself",
        (Class::Financial, Class::Read) => "it does not tell of money, it moves it",
        (Class::Financial, _) => "value moves, or somebody is bound to pay",
        (Class::Unknown, _) => "nothing says what happens",
    }
}

fn unknown(found: &Collected) -> String {
    match found.signals().first() {
        Some(signal) => format!(
            "Unknown: {} says “{}”, which does not tell what happens. Treated as dangerous until somebody has looked.",
            signal.place.spoken(),
            signal.words
        ),
        None => "Unknown: neither the name nor a description says what happens. Treated as \
                 dangerous until somebody has looked."
            .to_owned(),
    }
}

fn contradiction(class: Class, definition: &Definition<'_>) -> Option<&'static str> {
    (definition.annotations.read_only == Some(true) && class != Class::Read)
        .then_some("Its annotation `readOnlyHint: true` says otherwise, and proves nothing.")
}

fn capital(word: &str) -> String {
    crate::name::capitalised(word)
}
