//! What every reader of TOML here owes its stack.

use toml::Spanned;
use toml::de::DeValue;

/// Drops a value level by level. The parser bounds brackets and dots by 80 each, so that together they
/// make 6400 levels: dropped in the ordinary way, one within the other, they would overflow the stack.
pub fn dismantle(value: DeValue<'_>) {
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            DeValue::Table(table) => {
                pending.extend(table.into_iter().map(|(_, value)| value.into_inner()));
            }
            DeValue::Array(items) => pending.extend(items.into_iter().map(Spanned::into_inner)),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}
