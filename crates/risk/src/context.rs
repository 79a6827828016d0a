//! Where a tool lives, and what it says of itself.
//!
//! A payment host or a shell server tilts how verbs are understood (`~pay`, `~crypto`, … in the
//! tables) and is evidence of little weight by itself. Annotations raise, never lower.

use portreeve_policy::Class;

use crate::definition::Definition;
use crate::evidence::Collected;
use crate::verdict::Place;
use crate::words;

/// Contexts, as the tables name them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    tags: Vec<&'static str>,
    /// Words of the server's name.
    pub server: Vec<String>,
}

impl Context {
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> + Clone {
        self.tags.iter().copied()
    }

    pub(crate) fn is(&self, tag: &str) -> bool {
        self.tags.contains(&tag)
    }
}

/// Which words speak for which context.
const CONTEXTS: [(&str, &[&str]); 9] = [
    (
        "~pay",
        &[
            "stripe", "paypal", "payment", "payments", "billing", "checkout", "merchant", "paddle",
            "razorpay", "adyen", "bank", "banking", "customer", "price", "prices", "paid",
            "invoice", "fintech", "payroll",
        ],
    ),
    (
        "~crypto",
        &[
            "blockchain",
            "ethereum",
            "solana",
            "bitcoin",
            "evm",
            "wallet",
            "wallets",
            "defi",
            "dex",
            "onchain",
            "uniswap",
            "erc20",
            "nft",
            "usdc",
            "crypto",
            "lightning",
            "wei",
            "gas",
            "mint",
            "token",
            "tokens",
            "sol",
            "eth",
            "lamports",
            "signer",
            "mainnet",
            "testnet",
        ],
    ),
    (
        "~trade",
        &[
            "trading",
            "broker",
            "exchange",
            "brokerage",
            "portfolio",
            "stock",
            "stocks",
            "position",
            "positions",
            "buy",
            "sell",
            "trade",
            "trader",
            "leverage",
            "futures",
        ],
    ),
    (
        "~shop",
        &[
            "shop",
            "cart",
            "ecommerce",
            "store",
            "basket",
            "grocery",
            "shopping",
        ],
    ),
    (
        "~git",
        &[
            "git",
            "branch",
            "commit",
            "repository",
            "repo",
            "commits",
            "branches",
        ],
    ),
    (
        "~browser",
        &[
            "browser",
            "playwright",
            "puppeteer",
            "selenium",
            "webpage",
            "chrome",
            "dom",
            "webdriver",
            "selector",
        ],
    ),
    (
        "~device",
        &[
            "smart",
            "device",
            "devices",
            "robot",
            "mobile",
            "android",
            "simulator",
            "iot",
            "emulator",
            "hass",
        ],
    ),
    ("~image", &["image", "images", "photo", "picture", "video"]),
    (
        "~sql",
        &[
            "sql",
            "postgres",
            "postgresql",
            "mysql",
            "sqlite",
            "database",
            "mssql",
            "oracle",
            "duckdb",
            "mariadb",
            "clickhouse",
            "snowflake",
            "bigquery",
        ],
    ),
];

/// How many words of a description speak of the context.
const NEAR: usize = 40;

pub(crate) fn of(definition: &Definition<'_>) -> Context {
    let server = words::of_name(definition.server);
    let name = words::of_name(definition.name);
    let text = words::lowered(definition.description);
    let near = words::of_text(&text);
    let near = near.iter().take(NEAR).map(|word| word.text);
    let all: Vec<&str> = near
        .chain(name.iter().chain(&server).map(String::as_str))
        .collect();
    let tags = CONTEXTS
        .iter()
        .filter(|(_, speak)| all.iter().any(|word| speak.contains(word)))
        .map(|(tag, _)| *tag)
        .collect();
    Context { tags, server }
}

/// What the definition says of itself.
pub(crate) fn collect(definition: &Definition<'_>, found: &mut Collected) {
    let notes = definition.annotations;
    if notes.destructive == Some(true) && notes.read_only != Some(true) {
        found.add(
            "annotation.destructive",
            Class::Destructive,
            5,
            Place::Annotation("destructiveHint"),
            (
                "destructiveHint: true",
                "its own annotation calls it destructive".to_owned(),
            ),
        );
    }
    if notes.read_only == Some(false) {
        found.add(
            "annotation.changes",
            Class::Write,
            4,
            Place::Annotation("readOnlyHint"),
            (
                "readOnlyHint: false",
                "its own annotation says that it changes something".to_owned(),
            ),
        );
    }
}
