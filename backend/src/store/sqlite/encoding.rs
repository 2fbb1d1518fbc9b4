//! Values as the file keeps them, and as statements take them.

use sqlx::{Row, sqlite::SqliteRow};
use time::OffsetDateTime;

use quhao_common::envelope::unix_ms::{from_unix_ms, unix_ms};

/// Returns the time now, in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    unix_ms(OffsetDateTime::now_utc())
}

/// Reads a column with a time, which is kept in milliseconds since 1970.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<OffsetDateTime, sqlx::Error> {
    from_ms(row.try_get(column)?, column)
}

/// Reads a column with a time or nothing.
pub(super) fn optional_time(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    let ms: Option<i64> = row.try_get(column)?;
    ms.map(|ms| from_ms(ms, column)).transpose()
}

fn from_ms(ms: i64, column: &str) -> Result<OffsetDateTime, sqlx::Error> {
    from_unix_ms(ms).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a time outside the calendar".into(),
    })
}

/// Returns keys or hashes as one JSON array of hexadecimal texts, so that a statement has the
/// same text whatever their number.
pub(super) fn hex_array<'a>(all: impl IntoIterator<Item = &'a [u8; 16]>) -> String {
    let all: Vec<_> = all.into_iter().map(|bytes| data_encoding::HEXLOWER.encode(bytes)).collect();
    serde_json::Value::from(all).to_string()
}
