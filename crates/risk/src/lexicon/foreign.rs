//! Verbs of other languages than English, by their stems.
//!
//! A language is chosen by its script, or by its small words; where a text is too short to tell,
//! every language that could be is asked. There is no grammar here: the verb of an alphabetic
//! language is the first word with a known stem, in Chinese the first that is found, in Japanese
//! and Korean the last, for there it ends the sentence.

use std::sync::LazyLock;

use portreeve_policy::Class;

use super::{base, class};
use crate::words::Word;

/// One language's table.
#[derive(Debug)]
pub(crate) struct Language {
    pub name: &'static str,
    small_words: Vec<&'static str>,
    stems: Vec<Stem>,
}

#[derive(Debug)]
struct Stem {
    text: &'static str,
    class: Class,
    senses: Vec<(Vec<&'static str>, Class)>,
}

/// A verb that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub class: Class,
    pub words: String,
    pub language: &'static str,
    /// Where it begins: the word's number, or the byte in scripts without spaces.
    at: usize,
}

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let mut languages: Vec<Language> = Vec::new();
    for line in include_str!("foreign.txt").lines() {
        let mut words = line.split_whitespace();
        match (words.next(), languages.last_mut()) {
            (None | Some("#"), _) => {}
            (Some(first), last) => {
                if let Some(name) = first.strip_prefix('@') {
                    languages.push(Language {
                        name,
                        small_words: words.collect(),
                        stems: Vec::new(),
                    });
                } else if let Some(language) = last {
                    language.stems.extend(stem(line));
                }
            }
        }
    }
    for language in &mut languages {
        // The longest first: `возвращает` before `возврат`.
        language
            .stems
            .sort_by_key(|stem| std::cmp::Reverse(stem.text.len()));
    }
    languages
});

fn stem(line: &'static str) -> Option<Stem> {
    let mut parts = line.split_whitespace();
    let text = parts.next()?;
    let plain = class(parts.next()?)?;
    let senses = parts
        .map(|part| {
            let (objects, sense) = part.split_once('=')?;
            Some((objects.split(',').collect(), class(sense)?))
        })
        .collect::<Option<_>>()?;
    Some(Stem {
        text,
        class: plain,
        senses,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Han,
    Kana,
    Hangul,
}

fn script(text: &str) -> Script {
    let mut script = Script::Latin;
    for c in text.chars().take(400) {
        match c {
            '\u{3040}'..='\u{30ff}' => return Script::Kana,
            '\u{ac00}'..='\u{d7a3}' => return Script::Hangul,
            '\u{4e00}'..='\u{9fff}' => script = Script::Han,
            '\u{400}'..='\u{4ff}' if script == Script::Latin => script = Script::Cyrillic,
            _ => {}
        }
    }
    script
}

const ENGLISH: [&str; 22] = [
    "the",
    "of",
    "an",
    "from",
    "with",
    "by",
    "given",
    "specified",
    "to",
    "for",
    "this",
    "and",
    "specific",
    "existing",
    "new",
    "all",
    "or",
    "your",
    "is",
    "are",
    "using",
    "that",
];

/// Whether a text is written in another language than English.
pub(crate) fn is_foreign(text: &str, words: &[Word<'_>]) -> bool {
    !candidates(text, words).is_empty()
}

fn candidates(text: &str, words: &[Word<'_>]) -> Vec<&'static Language> {
    let named = |names: &[&str]| {
        LANGUAGES
            .iter()
            .filter(|language| names.contains(&language.name))
            .collect::<Vec<_>>()
    };
    match script(text) {
        Script::Kana => named(&["japanese"]),
        Script::Hangul => named(&["korean"]),
        Script::Han => named(&["chinese"]),
        Script::Cyrillic => named(&["russian", "ukrainian"]),
        Script::Latin => by_small_words(words),
    }
}

fn by_small_words(words: &[Word<'_>]) -> Vec<&'static Language> {
    let words = words.get(..words.len().min(40)).unwrap_or(words);
    let count = |small: &[&str]| words.iter().filter(|w| small.contains(&w.text)).count();
    let english = count(&ENGLISH);
    let counted: Vec<_> = LANGUAGES
        .iter()
        .filter(|language| !language.small_words.is_empty())
        .map(|language| (count(&language.small_words), language))
        .collect();
    let most = counted.iter().map(|(n, _)| *n).max().unwrap_or_default();
    // One small word proves little: "on", "of", "para" stand in names and in English, too.
    let opens_english = words.first().is_some_and(|word| base(word.text).is_some());
    if most == 0 || most < english || (opens_english && (most == 1 || most == english)) {
        return Vec::new();
    }
    counted
        .into_iter()
        .filter(|(n, _)| *n == most)
        .map(|(_, language)| language)
        .collect()
}

/// The verb of a text in another language than English.
pub(crate) fn first_verb(text: &str, words: &[Word<'_>]) -> Option<Found> {
    let languages = candidates(text, words);
    languages
        .iter()
        .filter_map(|language| match language.name {
            "chinese" => in_characters(language, text, false),
            "japanese" | "korean" => in_characters(language, text, true),
            _ => in_words(language, words),
        })
        .min_by_key(|found| (found.at, std::cmp::Reverse(found.class)))
}

fn in_words(language: &'static Language, words: &[Word<'_>]) -> Option<Found> {
    let end = words
        .iter()
        .skip(1)
        .position(|word| word.before == crate::words::Gap::Sentence)
        .map_or(words.len(), |at| at.saturating_add(1));
    let sentence = words.get(..end)?;
    let (at, word, stem) = sentence
        .iter()
        .enumerate()
        .filter(|(_, word)| !language.small_words.contains(&word.text))
        .find_map(|(at, word)| Some((at, word, language.stem_of(word.text)?)))?;
    let class = stem.class_with(|object| sentence.iter().any(|other| begins(other.text, object)));
    Some(Found {
        class,
        words: word.text.to_owned(),
        language: language.name,
        at,
    })
}

fn in_characters(language: &'static Language, text: &str, last: bool) -> Option<Found> {
    const ENDS: [char; 8] = ['。', '\n', '！', '？', '.', '!', '；', '?'];
    let sentence = text
        .split(ENDS)
        .find(|part| part.chars().filter(|c| !c.is_ascii()).count() > 1)?;
    let places = language
        .stems
        .iter()
        .filter_map(|stem| {
            let at = if last {
                sentence.rfind(stem.text)
            } else {
                sentence.find(stem.text)
            };
            at.map(|at| (at, stem))
        })
        .collect::<Vec<_>>();
    let (at, stem) = if last {
        places
            .iter()
            .max_by_key(|(at, stem)| (*at, stem.text.len()))?
    } else {
        places
            .iter()
            .min_by_key(|(at, stem)| (*at, std::cmp::Reverse(stem.text.len())))?
    };
    let mut class = stem.class_with(|object| sentence.contains(object));
    let mut words = stem.text.to_owned();
    // "创建或删除": verbs that stand side by side all count, the worst decides.
    for (other_at, other) in &places {
        let before = sentence.get(..*other_at).unwrap_or_default();
        let joined = ["或", "和", "、", "并", "及", "/", "・", "または"]
            .iter()
            .any(|word| before.ends_with(word));
        if joined && other_at != at && other.class > class {
            class = other.class;
            other.text.clone_into(&mut words);
        }
    }
    Some(Found {
        class,
        words,
        language: language.name,
        at: *at,
    })
}

/// The verb of a name in another language: asked only when no English verb was found.
pub(crate) fn name_verb(tokens: &[String]) -> Option<Found> {
    let joined = tokens.concat();
    match script(&joined) {
        Script::Latin => {}
        _ => {
            return first_verb(&joined, &[]).or_else(|| {
                let words: Vec<_> = tokens
                    .iter()
                    .map(|text| Word {
                        text,
                        before: crate::words::Gap::Space,
                    })
                    .collect();
                first_verb(&joined, &words)
            });
        }
    }
    let likely = [tokens.first(), tokens.last()];
    for token in likely.into_iter().flatten() {
        let best = LANGUAGES
            .iter()
            .filter_map(|language| {
                let stem = language.stem_of(token).filter(|stem| stem.text.len() > 3)?;
                let class =
                    stem.class_with(|object| tokens.iter().any(|other| begins(other, object)));
                Some((stem.text.len(), class, language.name))
            })
            .max_by_key(|(length, class, _)| (*length, *class));
        if let Some((_, class, language)) = best {
            return Some(Found {
                class,
                words: token.clone(),
                language,
                at: 0,
            });
        }
    }
    None
}

impl Language {
    fn stem_of(&self, word: &str) -> Option<&Stem> {
        self.stems.iter().find(|stem| word.starts_with(stem.text))
    }
}

/// Whether a word begins like this, after an article that is written with it: *l'abonnement*.
fn begins(word: &str, object: &str) -> bool {
    let bare = word.split_once('\'').map_or(word, |(_, bare)| bare);
    word.starts_with(object) || bare.starts_with(object)
}

impl Stem {
    fn class_with(&self, has: impl Fn(&str) -> bool) -> Class {
        self.senses
            .iter()
            .find(|(objects, _)| objects.iter().any(|object| has(object)))
            .map_or(self.class, |(_, class)| *class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;

    #[test]
    fn every_line_of_the_table_can_be_read() {
        for line in include_str!("foreign.txt").lines() {
            let known = line.is_empty() || line.starts_with(['#', '@']);
            assert!(known || stem(line).is_some(), "not understood: {line}");
        }
    }

    #[test]
    fn sentences_of_many_languages_have_their_verb() {
        let check = |text: &str, expect: Class| {
            let lowered = words::lowered(text);
            let found = first_verb(&lowered, &words::of_text(&lowered));
            assert_eq!(found.map(|f| f.class), Some(expect), "{text}");
        };
        check("Löscht eine Datei endgültig", Class::Destructive);
        check("Eine neue Aufgabe erstellen und speichern", Class::Write);
        check("Überweist einen Betrag auf das Konto", Class::Financial);
        check("Supprime un fichier du projet", Class::Destructive);
        check("Annule l'abonnement de la personne", Class::Financial);
        check("Obtiene la lista de los pedidos", Class::Read);
        check("Exclui um registro do banco", Class::Destructive);
        check(
            "Esegue uno script sul server con i parametri",
            Class::Execute,
        );
        check("Удаляет файл из хранилища", Class::Destructive);
        check("Отменяет подписку пользователя", Class::Financial);
        check("删除指定的文件", Class::Destructive);
        check("获取特定组件的更新日志", Class::Read);
        check("创建或删除用户", Class::Destructive);
        check("ファイルを削除します", Class::Destructive);
        check("注文の履歴を取得します", Class::Read);
        check("사용자를 삭제합니다", Class::Destructive);
    }

    #[test]
    fn english_is_not_foreign() {
        for text in [
            "Get a list of the open orders",
            "Delete a note",
            "Run la query for the user",
        ] {
            let lowered = words::lowered(text);
            assert!(!is_foreign(&lowered, &words::of_text(&lowered)), "{text}");
        }
    }
}
