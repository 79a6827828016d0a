//! What a description says beside its first sentence: lists of actions, warnings, restrictions.

use portreeve_policy::Class;

use crate::context::Context;
use crate::evidence::Collected;
use crate::lexicon::{Form, base};
use crate::verdict::Place;
use crate::words::{Gap, Word};

/// "Actions: list, create, delete": a tool of many actions is its worst one.
pub(super) fn listed_actions(all: &[Word<'_>], context: &Context, found: &mut Collected) {
    const HEADS: [&str; 7] = [
        "actions",
        "operations",
        "commands",
        "action",
        "operation",
        "subcommands",
        "crud",
    ];
    let mut worst: Option<(Class, String)> = None;
    for (at, word) in all.iter().enumerate() {
        if !HEADS.contains(&word.text) {
            continue;
        }
        if word.text == "crud" {
            worst = worst.max(Some((Class::Destructive, "crud".to_owned())));
            continue;
        }
        let list = all.iter().enumerate().skip(at.saturating_add(1)).take(40);
        let mut verbs = 0_usize;
        let mut here = None;
        for (n, item) in list {
            let next = all.get(n.saturating_add(1));
            let ends = next.is_none_or(|next| next.before != Gap::Space || next.text == "and");
            let starts = item.before != Gap::Space || n == at.saturating_add(1);
            let starts = starts && (ends || item.text.contains('_'));
            if item.before == Gap::Sentence && n > at.saturating_add(1) && verbs == 0 {
                break;
            }
            if !starts {
                continue;
            }
            if let Some((verb, Form::Base)) = base(item.text.split('_').next().unwrap_or_default())
            {
                verbs = verbs.saturating_add(1);
                let tail = item.text.split('_').skip(1);
                let sense = verb.sense(tail.chain(context.tags()));
                here = here.max(Some((sense.class, item.text.to_owned())));
            }
        }
        if verbs > 2 {
            worst = worst.max(here);
        }
    }
    if let Some((class, word)) = worst.filter(|(class, _)| *class > Class::Read) {
        let meaning = "the worst of the actions that it lists".to_owned();
        found.add(
            "description.actions",
            class,
            9,
            Place::Description,
            (&word, meaning),
        );
    }
}

/// Sentences that warn of what cannot be taken back, or of money.
#[expect(
    clippy::items_after_statements,
    reason = "each list stands where it is used"
)]
pub(super) fn warnings(text: &str, found: &mut Collected) {
    const LOSS: [&str; 16] = [
        "cannot be undone",
        "can't be undone",
        "can not be undone",
        "irreversible",
        "permanently delete",
        "permanently remove",
        "not reversible",
        "cannot be reversed",
        "permanently erase",
        "data will be lost",
        "cannot be recovered",
        "不可撤销",
        "不可恢复",
        "rückgängig",
        "irréversible",
        "元に戻せ",
    ];
    if let Some(words) = LOSS.into_iter().find(|words| text.contains(words)) {
        let meaning = "it warns that nothing brings it back".to_owned();
        found.add(
            "description.loss",
            Class::Destructive,
            6,
            Place::Description,
            (words, meaning),
        );
    }
    const MONEY: [&str; 12] = [
        "real money",
        "will be charged",
        "charges the",
        "spends ",
        "moves funds",
        "real funds",
        "transfers funds",
        "places an order",
        "places a real",
        "places a trade",
        "pays the",
        "sign and send",
    ];
    if let Some(words) = MONEY.into_iter().find(|words| text.contains(words)) {
        let meaning = "it says that money moves".to_owned();
        found.add(
            "description.money",
            Class::Financial,
            6,
            Place::Description,
            (words, meaning),
        );
    }
}

/// What a description says that the tool does not do.
pub(super) fn restrictions(text: &str, found: &mut Collected) {
    const SAYS: [&str; 27] = [
        "read-only",
        "readonly",
        "read only",
        "dry run",
        "dry-run",
        "only select",
        "select queries",
        "select query",
        "select statement",
        "select-only",
        "select sql",
        "does not modify",
        "without modifying",
        "does not execute",
        "without executing",
        "does not make any changes",
        "no changes are made",
        "doesn't execute",
        "nothing is changed",
        "promql",
        "logql",
        "只读",
        "仅支持select",
        "solo lectura",
        "somente leitura",
        "nur lesend",
        "lecture seule",
    ];
    const UNDONE: [&str; 6] = [
        "not read-only",
        "non-read-only",
        "set read-only",
        "to read-only",
        "not readonly",
        "or read-only",
    ];
    if found.restriction.is_some() || UNDONE.into_iter().any(|words| text.contains(words)) {
        return;
    }
    if let Some(words) = SAYS.into_iter().find(|words| text.contains(words)) {
        found.restriction = Some((Place::Description, words.to_owned()));
    }
}
