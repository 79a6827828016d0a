//! Tools that we made up, and the class that each must have: `classes.tsv`.
//!
//! A line is class, name, description. Two classes with a slash between them: either is right.

use portreeve_risk::{Definition, judge};

#[test]
fn made_up_tools_have_their_class() {
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in include_str!("classes.tsv")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let mut parts = line.split('\t');
        let (class, name) = (parts.next().unwrap(), parts.next().unwrap());
        let description = parts.next().unwrap_or_default();
        let verdict = judge(&Definition {
            description,
            ..Definition::named(name)
        });
        cases += 1;
        if !class
            .split('/')
            .any(|class| class == verdict.class.as_str())
        {
            let said: Vec<_> = verdict
                .signals
                .iter()
                .map(|s| format!("{} {} {:?} {}", s.weight, s.rule, s.words, s.class.as_str()))
                .collect();
            wrong.push(format!(
                "{line} → {}: {}",
                verdict.class.as_str(),
                said.join("; ")
            ));
        }
    }
    assert!(cases > 400);
    assert!(
        wrong.is_empty(),
        "{} of {cases}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
