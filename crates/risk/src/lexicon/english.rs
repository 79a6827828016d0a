//! English verbs, with senses by object.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use portreeve_policy::Class;

use super::{Strength, class};

/// One verb.
#[derive(Clone, Debug)]
pub(crate) struct Verb {
    pub base: &'static str,
    pub strength: Strength,
    class: Class,
    senses: Vec<(Vec<&'static str>, Class)>,
}

/// What a verb means where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sense {
    pub class: Class,
    /// The object that decided, if one did.
    pub object: Option<&'static str>,
}

type Sets = HashMap<&'static str, HashSet<&'static str>>;

static SETS: LazyLock<Sets> = LazyLock::new(|| {
    let mut sets = Sets::new();
    let mut name = "";
    for line in lines(include_str!("objects.txt")) {
        let mut words = line.split_whitespace().peekable();
        if let Some(set) = words.peek().and_then(|word| word.strip_prefix('@')) {
            name = set;
            words.next();
        }
        sets.entry(name).or_default().extend(words);
    }
    sets
});

static VERBS: LazyLock<HashMap<&'static str, Verb>> = LazyLock::new(|| {
    lines(include_str!("english.txt"))
        .filter_map(verb)
        .map(|verb| (verb.base, verb))
        .collect()
});

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

fn verb(line: &'static str) -> Option<Verb> {
    let mut parts = line.split_whitespace();
    let head = parts.next()?;
    let (base, strength) = match (head.strip_suffix('*'), head.strip_suffix('?')) {
        (Some(base), _) => (base, Strength::Noun),
        (_, Some(base)) => (base, Strength::Weak),
        _ => (head, Strength::Plain),
    };
    let plain = class(parts.next()?)?;
    let mut senses = Vec::new();
    for part in parts {
        let (objects, sense) = part.split_once('=')?;
        senses.push((objects.split(',').collect(), class(sense)?));
    }
    Some(Verb {
        base,
        strength,
        class: plain,
        senses,
    })
}

impl Verb {
    /// What the verb means with these objects. The words of `objects` are lower case; contexts
    /// stand among them as `~word`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an iterator is made for one use"
    )]
    pub(crate) fn sense<'o>(&self, objects: impl Iterator<Item = &'o str> + Clone) -> Sense {
        for (wanted, class) in &self.senses {
            for want in wanted {
                let met = |part: &str| objects.clone().any(|object| meets(part, object));
                if want.split('+').all(met) {
                    return Sense {
                        class: *class,
                        object: Some(want),
                    };
                }
            }
        }
        Sense {
            class: self.class,
            object: None,
        }
    }
}

fn meets(want: &str, object: &str) -> bool {
    match want.strip_prefix('@') {
        Some(set) => set_has(set, object),
        None => is_one_or_many(want, object),
    }
}

/// Whether `word` is `noun` or its plural.
fn is_one_or_many(noun: &str, word: &str) -> bool {
    match word.strip_prefix(noun) {
        Some("" | "s" | "es") => true,
        Some(_) => false,
        None => noun
            .strip_suffix('y')
            .is_some_and(|stem| word.strip_prefix(stem) == Some("ies")),
    }
}

/// Whether a noun, or what it is the plural of, is in one of the sets of `objects.txt`.
pub(crate) fn set_has(set: &str, noun: &str) -> bool {
    let Some(words) = SETS.get(set) else {
        return false;
    };
    let without = |ending| {
        noun.strip_suffix(ending)
            .is_some_and(|one| words.contains(one))
    };
    words.contains(noun)
        || without("s")
        || without("es")
        || noun
            .strip_suffix("ies")
            .is_some_and(|stem| words.contains(format!("{stem}y").as_str()))
}

/// Whether a verb before this noun is a noun itself: *order history*, *change log*, *payment id*.
pub(crate) fn makes_noun(verb: &Verb, next: &str) -> bool {
    set_has("record", next)
        || matches!(verb.class, Class::Execute | Class::Financial) && set_has("info", next)
        || verb.class == Class::Financial && set_has("facet", next)
}

/// Words that stand for information, so that a verb before them is a noun: *order history*.
pub(crate) fn is_info(noun: &str) -> bool {
    set_has("info", noun)
}

/// Words before a verb that do not change it: *batch*, *permanently*.
pub(crate) fn is_adverb(word: &str) -> bool {
    set_has("adverb", word) || (word.len() > 4 && word.ends_with("ly"))
}

/// The verb as it is written in the table.
pub(crate) fn find_exact(word: &str) -> Option<&'static Verb> {
    VERBS.get(word)
}

/// Whether a word is a verb and hardly anything else.
pub(crate) fn is_strong(word: &str) -> bool {
    find_exact(word).is_some_and(|verb| verb.strength == Strength::Plain)
}

/// The form a verb is written in; verbs of one list have one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Base,
    Third,
    Gerund,
    Past,
    /// *deletion* for delete.
    Noun,
}

/// The verb that a word is a form of.
pub(crate) fn base(word: &str) -> Option<(&'static Verb, Form)> {
    if let Some(verb) = find_exact(word) {
        return Some((verb, Form::Base));
    }
    if word == "news" {
        return None;
    }
    let with = |stem: &str, form| restored(stem).map(|verb| (verb, form));
    if let Some(stem) = word.strip_suffix("ies")
        && let Some(verb) = find_exact(&format!("{stem}y"))
    {
        return Some((verb, Form::Third));
    }
    if let Some(stem) = word.strip_suffix('s') {
        let found = find_exact(stem).or_else(|| stem.strip_suffix('e').and_then(find_exact));
        if let Some(verb) = found {
            return Some((verb, Form::Third));
        }
    }
    for (ending, form) in [("ing", Form::Gerund), ("ed", Form::Past)] {
        if let Some(found) = word.strip_suffix(ending).and_then(|stem| with(stem, form)) {
            return Some(found);
        }
    }
    for ending in ["ation", "ition", "ion", "ment", "al", "er", "or"] {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() > 3);
        if let Some(stem) = stem {
            let restored = restored(stem).or_else(|| find_exact(&format!("{stem}ate")));
            if let Some(verb) = restored.filter(|verb| verb.strength == Strength::Plain) {
                return Some((verb, Form::Noun));
            }
        }
    }
    if let Some(again) = word.strip_prefix("re").filter(|again| again.len() > 4) {
        return find_exact(again)
            .map(|verb| (verb, Form::Base))
            .or_else(|| restored(again.strip_suffix('s')?).map(|verb| (verb, Form::Third)));
    }
    irregular(word)
}

/// `delet` → delete, `stopp` → stop, `execut` → execute.
fn restored(stem: &str) -> Option<&'static Verb> {
    if let Some(verb) = find_exact(stem) {
        return Some(verb);
    }
    let mut ends = stem.chars().rev();
    if let (Some(last), Some(before)) = (ends.next(), ends.next())
        && last == before
    {
        let single = stem.get(..stem.len().saturating_sub(last.len_utf8()));
        if let Some(verb) = single.and_then(find_exact) {
            return Some(verb);
        }
    }
    find_exact(&format!("{stem}e"))
}

fn irregular(word: &str) -> Option<(&'static Verb, Form)> {
    let base = match word {
        "retrieval" => "retrieve",
        "analysis" | "analyses" => "analyze",
        "sent" => "send",
        "ran" => "run",
        "bought" => "buy",
        "sold" => "sell",
        "paid" => "pay",
        "written" | "wrote" => "write",
        "withdrawal" => "withdraw",
        "deletion" => "delete",
        "evaluation" => "evaluate",
        "submission" => "submit",
        "removal" => "remove",
        _ => return None,
    };
    Some((find_exact(base)?, Form::Noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_can_be_read() {
        for line in lines(include_str!("english.txt")) {
            assert!(verb(line).is_some(), "not understood: {line}");
        }
        let mut seen = HashSet::new();
        for line in lines(include_str!("english.txt")) {
            assert!(seen.insert(verb(line).map(|v| v.base)), "twice: {line}");
        }
        for verb in VERBS.values() {
            for want in verb.senses.iter().flat_map(|(wanted, _)| wanted) {
                for set in want.split('+').filter_map(|part| part.strip_prefix('@')) {
                    assert!(SETS.contains_key(set), "{}: no set @{set}", verb.base);
                }
            }
        }
    }

    #[test]
    fn forms_lead_to_their_verb() {
        for (word, expect) in [
            ("deletes", "delete"),
            ("deleting", "delete"),
            ("stopped", "stop"),
            ("retrieves", "retrieve"),
            ("queries", "query"),
            ("fetches", "fetch"),
            ("getting", "get"),
            ("creation", "create"),
            ("extraction", "extract"),
            ("paid", "pay"),
            ("executes", "execute"),
        ] {
            assert_eq!(
                base(word).map(|(verb, _)| verb.base),
                Some(expect),
                "{word}"
            );
        }
        assert!(base("weather").is_none());
    }
}
