//! Evidence, added up.
//!
//! Every class has the sum of what speaks for it. The heaviest wins, with a thumb on the scale: a
//! more severe class wins from a share of the weight of a milder one, for calling a harmful tool
//! harmless costs more than the other way round. Too little evidence, or none, is *unknown*.

use portreeve_policy::{Class, Classes};

use crate::evidence::Collected;
use crate::verdict::Confidence;

/// Evidence added up.
#[derive(Clone, Debug)]
pub(crate) struct Weighed {
    pub class: Class,
    pub also: Classes,
    pub confidence: Confidence,
    /// The class that came next, if anything spoke for it.
    pub next: Option<Class>,
}

/// Classes in the order of their severity.
const ORDER: [Class; 5] = [
    Class::Read,
    Class::Write,
    Class::Execute,
    Class::Destructive,
    Class::Financial,
];

/// Evidence below this says nothing.
const ENOUGH: i32 = 4;
/// What a class needs to be named beside the verdict's own.
const ALSO: i32 = 4;
/// In hundredths: the share of the heaviest's weight with which a more severe class wins.
const SHARE: i32 = 75;

pub(crate) fn weigh(found: &mut Collected) -> Weighed {
    restrict(found);
    let sums = ORDER.map(|class| (class, sum(found, class)));
    let heaviest = sums.iter().map(|(_, sum)| *sum).max().unwrap_or_default();
    let also_of = |class: Class| {
        sums.iter()
            .filter(|(other, sum)| *other != class && *sum >= ALSO)
            .map(|(other, _)| *other)
            .filter(|other| *other != Class::Read)
            .collect::<Classes>()
    };
    if heaviest < ENOUGH {
        return Weighed {
            class: Class::Unknown,
            also: also_of(Class::Unknown),
            confidence: Confidence(20),
            next: None,
        };
    }
    let wins = |sum: i32| sum.saturating_mul(100) >= heaviest.saturating_mul(SHARE);
    let (class, weight) = sums
        .iter()
        .rev()
        .copied()
        .find(|(_, sum)| wins(*sum))
        .unwrap_or((Class::Unknown, 0));
    let next = sums
        .iter()
        .rev()
        .filter(|(other, sum)| *other != class && *sum > 0)
        .max_by_key(|(_, sum)| *sum)
        .copied();
    Weighed {
        class,
        also: also_of(class),
        confidence: confidence(weight, next.map(|(_, sum)| sum).unwrap_or_default()),
        next: next.map(|(class, _)| class),
    }
}

/// Two sentences that say the same are not two witnesses: what repeats a rule counts once.
fn sum(found: &Collected, class: Class) -> i32 {
    let mut rules: Vec<(&str, i32)> = Vec::new();
    for signal in found
        .signals()
        .iter()
        .filter(|signal| signal.class == class)
    {
        match rules.iter_mut().find(|(rule, _)| *rule == signal.rule) {
            Some((_, weight)) => *weight = signal.weight.max(*weight),
            None => rules.push((signal.rule, signal.weight)),
        }
    }
    rules
        .iter()
        .fold(0_i32, |sum, (_, weight)| sum.saturating_add(*weight))
}

/// "Read-only": takes back what a query or a command alone spoke for. It takes nothing from a
/// verb that removes or pays: that text contradicts itself, and the worse reading stands.
fn restrict(found: &mut Collected) {
    let Some((place, words)) = found.restriction.clone() else {
        return;
    };
    let severe = found.signals().iter().any(|signal| {
        matches!(
            signal.class,
            Class::Destructive | Class::Financial | Class::Write
        ) && signal.weight >= 7
            && signal.rule != "description.actions"
    });
    if severe {
        return;
    }
    for signal in found.signals_mut() {
        if signal.class == Class::Execute {
            signal.weight = signal.weight.saturating_div(4);
        }
    }
    let meaning = "it is held to looking".to_owned();
    found.add("restriction", Class::Read, 10, place, (&words, meaning));
}

/// From the weight and the margin: evidence that stands alone and heavy is sure.
fn confidence(weight: i32, next: i32) -> Confidence {
    let all = weight.saturating_add(next.max(0)).max(1);
    let share = weight.saturating_mul(100).checked_div(all).unwrap_or(50);
    let firm = weight.min(18).saturating_mul(2);
    let points = share.saturating_sub(50).saturating_add(firm).clamp(5, 86);
    Confidence(u8::try_from(points.saturating_add(12)).unwrap_or(50))
}
