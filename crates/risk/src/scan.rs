//! stub
use portreeve_policy::json::Value;
#[derive(Clone, Debug)]
pub struct Finding;
#[derive(Clone, Debug, Default)]
pub struct Names;
pub fn scan(_: &Value<'_>, _: &Names) -> Vec<Finding> { Vec::new() }
