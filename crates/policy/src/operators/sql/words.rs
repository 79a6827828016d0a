//! The words the grammar knows, sorted, so that looking up is quick.

use super::lexer::Kind;

/// The length of the longest word.
const LONGEST: usize = 15;

/// Words that are never a bare name, whatever a single dialect allows.
#[rustfmt::skip]
pub(super) const RESERVED: [&str; 96] = [
    "add", "all", "alter", "analyse", "analyze", "and", "any", "as", "asc", "between", "by",
    "case", "cast", "check", "collate", "column", "constraint", "create", "cross", "default",
    "delete", "desc", "distinct", "div", "do", "drop", "else", "end", "escape", "except",
    "exists", "fetch", "for", "foreign", "from", "full", "glob", "group", "having", "ilike", "in",
    "inner", "insert", "intersect", "interval", "into", "is", "isnull", "join", "lateral", "left",
    "like", "limit", "lock", "match", "merge", "mod", "natural", "not", "notnull", "null",
    "offset", "on", "only", "or", "order", "outer", "over", "overlaps", "partition", "primary",
    "procedure", "references", "regexp", "returning", "revoke", "right", "rlike", "select", "set",
    "similar", "some", "table", "then", "to", "trigger", "union", "unique", "update", "using",
    "values", "when", "where", "window", "with", "xor",
];

/// Words that mean something in their place and are names elsewhere.
#[rustfmt::skip]
pub(super) const IN_PLACE: [&str; 235] = [
    "abort", "access", "action", "aggregate", "always", "array", "at", "attach", "authorization",
    "begin", "binary", "bit", "bool", "boolean", "both", "buffers", "bytea", "call", "cascade",
    "chain", "char", "character", "characteristics", "checkpoint", "cidr", "close", "cluster",
    "collation", "comment", "commit", "committed", "concurrently", "conflict", "conversion",
    "convert", "copy", "costs", "current", "data", "database", "date", "day", "deallocate",
    "decimal", "declare", "deferrable", "deferred", "describe", "detach", "discard", "domain",
    "double", "dumpfile", "duplicate", "event", "exclude", "exclusive", "execute", "explain",
    "export", "extended", "extension", "extract", "false", "filter", "first", "flush",
    "following", "format", "function", "global", "grant", "group_concat", "groups", "handler",
    "hour", "if", "ignore", "immediate", "import", "index", "inet", "integer", "isolation",
    "json", "jsonb", "key", "kill", "language", "large", "last", "leading", "level", "listen",
    "load", "local", "locked", "maintenance", "master", "matched", "materialized", "member",
    "method", "minute", "mode", "month", "move", "names", "national", "next", "no", "nothing",
    "notify", "nowait", "nulls", "numeric", "object", "of", "off", "operator", "optimize",
    "ordinality", "others", "outfile", "overlay", "owned", "passing", "password", "persist",
    "placing", "plan", "point", "policy", "position", "pragma", "preceding", "precision",
    "prepare", "prepared", "privileges", "program", "publication", "query", "range", "read",
    "recursive", "reindex", "release", "rename", "repair", "repeatable", "replace", "reset",
    "restrict", "role", "rollback", "rollup", "routine", "row", "rows", "rule", "savepoint",
    "schema", "search", "second", "security", "separator", "sequence", "serializable", "server",
    "session", "settings", "share", "show", "shutdown", "signed", "simple", "skip",
    "sql_no_cache", "start", "statistics", "stdin", "stdout", "subscription", "substring",
    "summary", "symmetric", "system", "tables", "tablespace", "temp", "temporary", "text", "ties",
    "time", "timestamp", "timestamptz", "timetz", "timing", "trailing", "transaction",
    "transform", "tree", "trim", "true", "truncate", "type", "uescape", "unbounded",
    "uncommitted", "unknown", "unlisten", "unlock", "unlogged", "unsigned", "use", "user", "uuid",
    "vacuum", "variadic", "varying", "verbose", "view", "views", "virtual", "wal", "within",
    "without", "work", "wrapper", "write", "xml", "yaml", "year", "zone",
];

/// Types that take a size in parentheses.
pub(super) const COLUMN_TYPES: [&str; 22] = [
    "bigint",
    "binary",
    "bit",
    "char",
    "character",
    "datetime",
    "decimal",
    "double",
    "enum",
    "float",
    "int",
    "integer",
    "mediumint",
    "nchar",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
    "tinyint",
    "varbinary",
    "varchar",
];

/// Words before the parentheses of columns, methods and conditions.
pub(super) const COLUMN_LISTS: [&str; 12] = [
    "btree", "check", "columns", "exclude", "gin", "gist", "hash", "include", "index", "key",
    "list", "unique",
];

/// Pragmas that only read, whatever stands in their parentheses.
pub(super) const LOOKING_PRAGMAS: [&str; 10] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Pragmas that only read as long as they get no value.
pub(super) const TELLING_PRAGMAS: [&str; 24] = [
    "application_id",
    "auto_vacuum",
    "busy_timeout",
    "cache_size",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "function_list",
    "journal_mode",
    "journal_size_limit",
    "max_page_count",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "query_only",
    "schema_version",
    "synchronous",
    "temp_store",
    "user_version",
];

/// The word in lower case if the grammar knows it, and whether it may be a name.
pub(super) fn find(text: &str) -> (Kind, &'static str) {
    let mut lower = [0_u8; LONGEST];
    let lower = match lower.get_mut(..text.len()) {
        Some(lower) if lower.len() > 1 => lower,
        _ => return (Kind::Bare, ""),
    };
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    let search = |words: &'static [&'static str]| {
        let at = words.binary_search_by(|w| w.as_bytes().cmp(lower)).ok()?;
        words.get(at).copied()
    };
    match search(&RESERVED) {
        Some(word) => (Kind::Reserved, word),
        None => (Kind::Bare, search(&IN_PLACE).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the grammar asks for must be known here, or it would never be found.
    #[test]
    fn every_word_of_the_grammar_is_known() {
        let sources = [
            include_str!("call.rs"),
            include_str!("change.rs"),
            include_str!("definition.rs"),
            include_str!("expression.rs"),
            include_str!("infix.rs"),
            include_str!("query.rs"),
            include_str!("statement.rs"),
            include_str!("table.rs"),
        ];
        let mut asked = 0;
        for word in sources.iter().flat_map(|s| s.split('"').skip(1).step_by(2)) {
            let is_word = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if word.is_empty() || !is_word {
                continue;
            }
            asked += 1;
            assert!(!find(word).1.is_empty(), "{word}");
        }
        assert!(asked > 100, "{asked}");
    }

    #[test]
    fn the_tables_are_sorted_and_apart() {
        assert!(RESERVED.is_sorted() && IN_PLACE.is_sorted());
        assert!(!RESERVED.iter().any(|w| IN_PLACE.contains(w)));
        let longest = RESERVED.iter().chain(&IN_PLACE).map(|w| w.len()).max();
        assert_eq!(longest, Some(LONGEST));
    }
}
