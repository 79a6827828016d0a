//! Which functions a statement may call without that counting as a call.

use super::lexer::{Kind, Token};

/// Functions that read what they are given, or the catalogue, and change nothing, in every dialect
/// that has them. What sleeps, writes, reads files, sets variables, runs a text as SQL or moves a
/// sequence is not here.
#[rustfmt::skip]
const PURE: [&str; 403] = [
    "abs", "acos", "acosd", "acosh", "adddate", "addtime", "age", "any_value", "array_agg",
    "array_append", "array_cat", "array_dims", "array_length", "array_lower", "array_ndims",
    "array_position", "array_positions", "array_prepend", "array_remove", "array_replace",
    "array_to_json", "array_to_string", "array_upper", "ascii", "asin", "asinh", "atan", "atan2",
    "atanh", "avg", "bit_and", "bit_count", "bit_length", "bit_or", "bit_xor", "bm25", "bool_and",
    "bool_or", "btrim", "cardinality", "cbrt", "ceil", "ceiling", "char", "char_length",
    "character_length", "chr", "coalesce", "col_description", "concat", "concat_ws", "convert",
    "convert_tz", "corr", "cos", "cosh", "cot", "count", "covar_pop", "covar_samp", "cume_dist",
    "curdate", "current_database", "current_date", "current_schema", "current_schemas",
    "current_time", "current_timestamp", "current_user", "curtime", "database", "date",
    "date_add", "date_bin", "date_diff", "date_format", "date_part", "date_sub", "date_trunc",
    "datediff", "datetime", "day", "dayname", "dayofmonth", "dayofweek", "dayofyear", "decode",
    "degrees", "dense_rank", "div", "elt", "encode", "every", "exp", "extract", "field",
    "find_in_set", "first_value", "floor", "format", "format_type", "from_base64", "from_days",
    "from_unixtime", "gen_random_uuid", "generate_series", "get_bit", "get_byte", "glob",
    "greatest", "group_concat", "grouping", "hex", "highlight", "host", "hour", "if", "ifnull",
    "iif", "initcap", "instr", "isempty", "isfinite", "json", "json_agg", "json_array",
    "json_array_elements", "json_array_elements_text", "json_array_length", "json_arrayagg",
    "json_build_array", "json_build_object", "json_contains", "json_contains_path", "json_depth",
    "json_each", "json_each_text", "json_extract", "json_extract_path", "json_extract_path_text",
    "json_group_array", "json_group_object", "json_insert", "json_keys", "json_length",
    "json_object", "json_object_agg", "json_object_keys", "json_objectagg", "json_overlaps",
    "json_patch", "json_pretty", "json_quote", "json_remove", "json_replace", "json_search",
    "json_set", "json_strip_nulls", "json_to_record", "json_to_recordset", "json_tree",
    "json_type", "json_typeof", "json_unquote", "json_valid", "json_value", "jsonb", "jsonb_agg",
    "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length",
    "jsonb_build_array", "jsonb_build_object", "jsonb_each", "jsonb_each_text",
    "jsonb_extract_path", "jsonb_extract_path_text", "jsonb_insert", "jsonb_object",
    "jsonb_object_agg", "jsonb_object_keys", "jsonb_path_exists", "jsonb_path_match",
    "jsonb_path_query", "jsonb_path_query_array", "jsonb_path_query_first", "jsonb_pretty",
    "jsonb_set", "jsonb_strip_nulls", "jsonb_to_record", "jsonb_to_recordset", "jsonb_typeof",
    "julianday", "justify_days", "justify_hours", "justify_interval", "lag", "last_day",
    "last_value", "lcase", "lead", "least", "left", "length", "like", "likelihood", "likely",
    "ln", "localtime", "localtimestamp", "locate", "log", "log10", "log2", "lower", "lower_inc",
    "lpad", "ltrim", "make_date", "make_interval", "make_time", "make_timestamp",
    "make_timestamptz", "makedate", "maketime", "max", "md5", "microsecond", "mid", "min",
    "minute", "mod", "mode", "month", "monthname", "now", "nth_value", "ntile", "nullif",
    "num_nonnulls", "num_nulls", "obj_description", "octet_length", "overlay", "percent_rank",
    "percentile_cont", "percentile_disc", "period_add", "period_diff", "pg_column_size",
    "pg_database_size", "pg_get_constraintdef", "pg_get_expr", "pg_get_indexdef",
    "pg_get_viewdef", "pg_indexes_size", "pg_relation_size", "pg_size_pretty", "pg_table_size",
    "pg_total_relation_size", "pg_typeof", "phraseto_tsquery", "pi", "plainto_tsquery",
    "position", "pow", "power", "printf", "quarter", "quote", "quote_ident", "quote_literal",
    "quote_nullable", "radians", "rand", "random", "range_merge", "rank", "regexp_count",
    "regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_replace",
    "regexp_split_to_array", "regexp_split_to_table", "regexp_substr", "regr_avgx", "regr_avgy",
    "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy",
    "repeat", "replace", "reverse", "right", "round", "row", "row_number", "row_to_json", "rpad",
    "rtrim", "sec_to_time", "second", "setweight", "sha1", "sha2", "sha224", "sha256", "sha384",
    "sha512", "sign", "sin", "sinh", "snippet", "soundex", "space", "split_part",
    "sqlite_version", "sqrt", "starts_with", "statement_timestamp", "std", "stddev", "stddev_pop",
    "stddev_samp", "str_to_date", "strcmp", "strftime", "string_agg", "string_to_array",
    "string_to_table", "strip", "strpos", "subdate", "substr", "substring", "substring_index",
    "subtime", "sum", "tan", "tanh", "time", "time_to_sec", "timediff", "timeofday", "timestamp",
    "timestampadd", "timestampdiff", "to_ascii", "to_base64", "to_char", "to_date", "to_days",
    "to_hex", "to_json", "to_jsonb", "to_number", "to_regclass", "to_seconds", "to_timestamp",
    "to_tsquery", "to_tsvector", "total", "transaction_timestamp", "translate", "trim",
    "trim_array", "trunc", "truncate", "ts_headline", "ts_rank", "ts_rank_cd", "typeof", "ucase",
    "unhex", "unicode", "unix_timestamp", "unixepoch", "unlikely", "unnest", "upper", "upper_inc",
    "utc_date", "utc_time", "utc_timestamp", "uuid", "values", "var_pop", "var_samp", "variance",
    "version", "websearch_to_tsquery", "week", "weekday", "weekofyear", "width_bucket", "year",
    "yearweek",
];

/// The functions a condition lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Functions {
    /// Sorted, in lower case.
    listed: Vec<String>,
    pure_too: bool,
}

impl Functions {
    /// What stands for the built-in list among an author's own names.
    pub(super) const PURE_WORD: &'static str = "@pure";

    pub(super) const fn pure() -> Self {
        Self {
            listed: Vec::new(),
            pure_too: true,
        }
    }

    pub(super) fn of(names: &[&str]) -> Self {
        let own = names.iter().filter(|n| **n != Self::PURE_WORD);
        let mut listed: Vec<String> = own.map(|n| n.to_ascii_lowercase()).collect();
        listed.sort_unstable();
        Self {
            listed,
            pure_too: names.contains(&Self::PURE_WORD),
        }
    }

    /// `schema` is the part before the name's last dot, if the call has one.
    pub(super) fn hold(&self, schema: Option<Token<'_>>, name: Token<'_>) -> bool {
        let Some(name) = folded(name) else {
            return false;
        };
        match schema.map(folded) {
            None => self.has(&name, true),
            Some(None) => false,
            Some(Some(schema)) => {
                let qualified = format!("{schema}.{name}");
                self.has(&qualified, false) || (schema == "pg_catalog" && self.has(&name, true))
            }
        }
    }

    fn has(&self, name: &str, may_be_pure: bool) -> bool {
        let listed = self.listed.binary_search_by(|n| n.as_str().cmp(name));
        listed.is_ok() || (self.pure_too && may_be_pure && is_pure(name))
    }
}

fn is_pure(name: &str) -> bool {
    PURE.binary_search(&name).is_ok()
}

/// A bare name in lower case. A quoted one with capitals is another name, and never listed.
fn folded(name: Token<'_>) -> Option<String> {
    let lower = name.text.to_ascii_lowercase();
    (name.kind != Kind::Quoted || lower == name.text).then_some(lower)
}
