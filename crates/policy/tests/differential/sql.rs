//! SQL against SQLite and PostgreSQL themselves: what we call reading must have changed nothing.

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::operators::sql::Spec;
use serde_json::Value;

use super::mutate::{corpus, grow};
use super::programs::{ask, report, script};
use super::servers::{MariaDb, Postgres};

const PIECES: [&str; 96] = [
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\'",
    "--",
    "-- ",
    "--\r",
    "/*",
    "*/",
    "/*!",
    ";",
    "$$",
    "$a$",
    "E'",
    "U&'",
    "x'",
    "#",
    "@",
    "?",
    ":",
    "::",
    "[",
    "]",
    "(",
    ")",
    ",",
    ".",
    "*",
    " ",
    "\t",
    "\n",
    "\r",
    "\u{b}",
    "\u{c}",
    "\u{0}",
    "\u{a0}",
    "\u{feff}",
    "1",
    "1e",
    "0x1",
    "$1",
    ".5",
    "-",
    "+",
    "~",
    "!",
    "=",
    "||",
    "->",
    "select ",
    " from t ",
    " into x ",
    " into temp x ",
    " for update ",
    " for share ",
    "delete from t",
    "insert into t (a) values (1)",
    " update t set a = 1 ",
    " returning * ",
    "f()",
    "f(1)",
    " f (1) ",
    "nextval('s')",
    "pg_sleep(0)",
    "upper('a')",
    "count(*)",
    "with x as (",
    " union ",
    " union all ",
    " where ",
    " and ",
    " or ",
    " not ",
    " is null ",
    " in (1) ",
    " between 1 and 2 ",
    " as x ",
    " order by ",
    " limit 1 ",
    " offset 1 ",
    "commit;",
    "begin;",
    "rollback",
    "drop table t",
    "create table x (a int)",
    "call p()",
    "execute x",
    "set role judge",
    "explain ",
    "explain analyze ",
    "table t",
    "values (1)",
    "(select 1)",
    "t.a",
];

/// Queries over the schema that the scripts make, so that much of what grows really runs.
const SEEDS: [&str; 36] = [
    "select * from t",
    "select a, b as c from t where a > 1 order by b desc limit 5",
    "select t.a, u.total from t join u on t.a = u.a left join users on users.id = u.id",
    "select count(*), max(a) from t group by b having count(*) > 0",
    "with x as (select a from t) select * from x union all select b from u",
    "with recursive x(n) as (select 1 union all select n + 1 from x where n < 3) select n from x",
    "select case when a = 1 then 'x' else 'y' end, cast(a as text), coalesce(b, 0) from t",
    "select (select max(a) from t), exists (select 1 from u) from users",
    "select a from (select a, b from t) as x where a in (select a from u) and b not like 'z%'",
    "select sum(a) over (partition by b order by c rows between 1 preceding and current row) from t",
    "select 'it''s', \"name\", x'41', -1, .5, 1e3 from t -- end",
    "select upper(name) || lower(c), abs(-a) % 2 from t /* comment */ where a <> b or not a = 1",
    "select distinct a from t; select b from u;",
    "select data -> 'a' ->> 'b', tags @> array['x'], d::date from t where c ~* 'x'",
    "select * from t for update",
    "with d as (delete from t returning *) select * from d",
    "select f(), nextval('s') from t",
    "select * into x from t",
    "select $$a$$, E'\\'', $x$ ; $x$",
    "values (1, 2), (3, 4)",
    "select [a], `b` from t where a == 1 limit 1, 2",
    "select generate_series(1, 3), now(), current_date, interval '1 day' from t",
    "select * from t natural join u where (a, b) = (1, 2) and a between 1 and 2",
    "explain select a from t where b = 1",
    "explain analyze select a from t",
    "explain (costs off) delete from t",
    "explain query plan select 1",
    "explain format = json select 1",
    "show search_path",
    "show tables like 't%'",
    "show create table t",
    "pragma table_info(t)",
    "pragma main.user_version",
    "pragma foreign_keys = 0",
    "describe t",
    "select t.*, u.a from t, u where t.a is not null and u.b is null order by 1, t.b nulls last",
];

/// The kinds that change nothing. SQLite and MariaDB count the plan of a change as that change.
const READING: &str = r#""select", "show""#;
const READING_AND_PLANS: &str = r#""select", "show", "explain""#;

fn spec(dialect: Option<&str>, kinds: &str) -> Spec {
    let text = match dialect {
        None => format!("[{kinds}]"),
        Some(dialect) => format!(r#"{{"statements": [{kinds}], "dialect": "{dialect}"}}"#),
    };
    let value = parse(text.as_bytes(), Rules::DOCUMENT).expect("JSON");
    Spec::compile(&value).expect("a spec")
}

/// The texts that count as reading in this dialect or in all.
fn readings(dialect: &str, kinds: &str) -> Vec<String> {
    let mut seeds = corpus(include_str!("../../../../cases/sql_only.yaml"));
    for seed in SEEDS {
        seeds.extend([seed.to_owned(), seed.to_owned(), seed.to_owned()]);
    }
    let mut texts = grow(&seeds, &PIECES);
    let total = texts.len();
    let (own, every) = (spec(Some(dialect), kinds), spec(None, kinds));
    texts.retain(|t| own.holds(t) == Some(true) || every.holds(t) == Some(true));
    report(&format!(
        "{dialect}: {total} texts, {} judged as reading",
        texts.len()
    ));
    assert!(texts.len() > 500, "the mutator makes too few queries");
    texts
}

/// INVARIANT: what counts as reading changes nothing, in the dialect and in all of them.
fn check(database: &str, texts: &[String], answers: &[Value], syntax: &dyn Fn(&str) -> bool) {
    let mut wrong = Vec::new();
    let (mut ran, mut unread) = (0, Vec::new());
    for (text, answer) in texts.iter().zip(answers) {
        let actions = answer["actions"].as_array().expect("a list");
        if !actions.is_empty() {
            wrong.push(format!("{text:?}: {answer}"));
        }
        match answer["error"].as_str() {
            None => ran += 1,
            Some(error) if syntax(error) => unread.push(format!("{text:?}: {error}")),
            Some(_) => {}
        }
    }
    let count = unread.len();
    report(&format!(
        "{database}: {ran} ran, {count} it could not parse"
    ));
    if std::env::var("PORTREEVE_DIFFERENTIAL_SHOW").is_ok() {
        for line in unread.iter().take(60) {
            report(line);
        }
    }
    let shown = wrong
        .iter()
        .take(40)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        wrong.is_empty(),
        "{database}: {} changed something\n{shown}",
        wrong.len()
    );
}

#[test]
fn what_reads_changes_nothing_in_sqlite() {
    let texts = readings("sqlite", READING);
    let Some(answers) = ask("python3", &[&script("sqlite.py")], &texts) else {
        return;
    };
    check("sqlite", &texts, &answers, &|e| {
        e.contains("syntax error") || e.contains("token")
    });
    // What SQLite calls must be what we listed; some operators are functions to it.
    let operators = ["like", "glob", "match", "regexp", "->", "->>"];
    let listed = spec(Some("sqlite"), READING);
    for (text, answer) in texts.iter().zip(&answers) {
        for function in answer["functions"].as_array().expect("a list") {
            let function = function.as_str().expect("a name");
            let pure = listed.holds(&format!("select {function}(1)")) == Some(true);
            assert!(
                pure || operators.contains(&function),
                "{text:?} calls {function}"
            );
        }
    }
}

#[test]
fn what_reads_changes_nothing_in_postgresql() {
    let texts = readings("postgresql", READING_AND_PLANS);
    let Some(server) = Postgres::start() else {
        return;
    };
    let answers = ask(
        "python3",
        &[&script("postgres.py"), server.directory()],
        &texts,
    );
    if let Some(answers) = answers {
        check("postgresql", &texts, &answers, &|e| e.starts_with("42601"));
    }
}

/// MariaDB stands for MySQL: where the two differ, it is the one that does more.
#[test]
fn what_reads_changes_nothing_in_mariadb() {
    let texts = readings("mysql", READING);
    let Some(server) = MariaDb::start() else {
        return;
    };
    let answers = ask(
        "python3",
        &[&script("mariadb.py"), &server.socket()],
        &texts,
    );
    if let Some(answers) = answers {
        check("mariadb", &texts, &answers, &|e| {
            e.starts_with("#42000You have an error")
        });
    }
}
