//! Rows of both databases: those of before are read, those of now look the same.

use std::time::Duration;

use quhao_tests::{config::Mode, in_both_modes};
use serde_json::{Value, json};
use time::{
    Date, OffsetDateTime, PrimitiveDateTime,
    macros::{date, format_description},
};

use super::{
    file::{array, base64, list, named, read, text},
    product::{self, Seams},
    tables::{Tables, migrations},
};

in_both_modes!(
    rows_of_before_are_read,
    rows_are_written_as_before,
    callbacks_of_before_are_claimed,
    erasures_of_before_keep_outcomes_out,
    migrations_are_those_of_before,
);

/// When the files of rows were made.
const MADE: Date = date!(2026 - 12 - 01);

/// Reads what the database of this mode held.
pub(super) fn of(mode: Mode) -> Value {
    match mode {
        Mode::Distributed => read("postgres_rows.json"),
        Mode::Embedded => read("sqlite_rows.json"),
    }
}

/// Restores a queue and a store that an earlier build left, and brings them up to date.
async fn left_by_before(mode: Mode) -> Seams {
    let seams = Seams::new(mode).await;
    let mut tables = Tables::of(&seams.backing, &seams.file()).await;
    tables.restore(&of(mode)["tables"]).await;
    tables.close().await;
    seams.migrate().await;
    seams
}

/// Makes a queue and a store of this build, with nothing in them.
async fn empty(mode: Mode) -> Seams {
    let seams = Seams::new(mode).await;
    seams.migrate().await;
    seams
}

/// Reads the tables of `seams`, which nobody has open.
async fn dump(seams: &Seams, like: &Value) -> Value {
    let mut tables = Tables::of(&seams.backing, &seams.file()).await;
    let dump = tables.dump(like).await;
    tables.close().await;
    dump
}

async fn rows_of_before_are_read(mode: Mode) {
    let seams = left_by_before(mode).await;
    let opened = seams.open().await;
    let (found, expected) =
        (product::read(opened.store(), &read("rows.json")["asks"]).await, &of(mode)["read"]);
    for (what, expected) in expected.as_object().unwrap() {
        assert_eq!(&found[what], expected, "{what}");
    }
    opened.close().await;
    let answers = array(expected, "answers");
    let readable = answers.iter().filter(|row| row["answer"].is_string());
    assert!(readable.count() > 10 && array(expected, "callbacks").len() > 5, "nothing was read");
}

async fn rows_are_written_as_before(mode: Mode) {
    let (seams, before) = (empty(mode).await, of(mode));
    let mut before = before["tables"].clone();
    let tables = before.as_object_mut().unwrap();
    // What sqlx writes; `migrations_are_those_of_before` has it.
    tables.remove("_sqlx_migrations");
    let opened = seams.open().await;
    for step in list("rows.json", "steps") {
        product::step(opened.store(), &step).await;
    }
    opened.close().await;
    if mode == Mode::Embedded {
        fill_queue(&seams).await;
    }
    let now = dump(&seams, &before).await;
    for (table, rows) in before.as_object().unwrap() {
        let (rows, found) = (rows.as_array().unwrap(), array(&now, table));
        assert_eq!(found.len(), rows.len(), "{table}");
        if table == "callbacks" {
            assert_same_callbacks(found, rows);
        } else {
            assert_eq!(found, rows, "{table}");
        }
    }
}

/// Publishes, takes and settles so that a row of each kind is left.
async fn fill_queue(seams: &Seams) {
    let messages = list("rows.json", "queue");
    let [left, dead, waiting] = &messages[..] else { panic!("three messages") };
    let opened = seams.open_to_take().await;
    for message in [left, dead] {
        opened.publish(message, &envelope(message)).await;
    }
    let left_alone = opened.take().await;
    assert_eq!(left_alone.body(), envelope(left), "the oldest first");
    opened.take().await.unreadable();
    opened.close().await;
    drop(left_alone);
    let opened = seams.open().await;
    opened.publish(waiting, &envelope(waiting)).await;
    opened.close().await;
}

/// Compares callbacks. Times that a clock has made are of the day the file was made on, and of
/// now in what was found.
fn assert_same_callbacks(found: &[Value], rows: &[Value]) {
    let identity = |row: &Value| (text(row, "key").to_owned(), text(row, "event").to_owned());
    for row in rows {
        let same = found.iter().find(|found| identity(found) == identity(row)).expect("its row");
        for (column, value) in row.as_object().unwrap() {
            let by_clock = ["due_at", "created_at", "finished_at"].contains(&column.as_str())
                && time_of(value).is_some_and(|at| at.date() == MADE);
            if by_clock {
                let at = time_of(&same[column]).expect("a time");
                let apart = (OffsetDateTime::now_utc() - at).abs();
                assert!(apart < Duration::from_mins(5), "{column} of {same}");
            } else {
                assert_eq!(&same[column], value, "{column} of {same}");
            }
        }
    }
}

/// Reads a time of either database.
fn time_of(value: &Value) -> Option<OffsetDateTime> {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let text = value.as_str()?;
    match text.parse::<i64>() {
        Ok(ms) => Some(product::time(ms)),
        Err(_) => Some(PrimitiveDateTime::parse(text.get(..19)?, form).ok()?.assume_utc()),
    }
}

async fn callbacks_of_before_are_claimed(mode: Mode) {
    let seams = left_by_before(mode).await;
    let opened = seams.open().await;
    let claimed = product::claim(opened.store()).await;
    opened.close().await;
    let expected = list("rows.json", "claimed");
    assert_eq!(claimed.len(), expected.len(), "{claimed:?}");
    for (due, expected) in claimed.iter().zip(&expected) {
        for field in ["key", "event", "client", "app", "attempt"] {
            assert_eq!(due[field], expected[field], "{field} of {due}");
        }
        let answer = product::sealed_answer(text(expected, "answer"));
        assert_eq!(base64(due, "answer"), answer, "{expected}");
    }
}

/// Jobs of before a person or an app was erased bring nothing; others do.
async fn erasures_of_before_keep_outcomes_out(mode: Mode) {
    let seams = left_by_before(mode).await;
    let opened = seams.open().await;
    for late in list("rows.json", "late") {
        product::finish(opened.store(), &[late["outcome"].clone()]).await;
        let outcome = named("rows.json", "outcomes", text(&late, "outcome"));
        let asks = json!({
            "keys": [outcome["key"]], "guests": [late["guest"]], "phones": [],
        });
        let found = product::read(opened.store(), &asks).await;
        let kept = late["kept"].as_bool().unwrap();
        let row = &found["answers"][0];
        assert_eq!(row["key"], outcome["key"], "the fact is kept");
        assert_eq!(row["answer"].is_string(), kept, "{late}");
        assert_eq!(found["sessions"][0]["by_openid"].is_object(), kept, "{late}");
    }
    opened.close().await;
}

async fn migrations_are_those_of_before(mode: Mode) {
    let (seams, before) = (empty(mode).await, of(mode));
    let now = dump(&seams, &before["tables"]).await;
    let now = migrations(&now);
    for migration in migrations(&before["tables"]) {
        assert!(now.contains(&migration), "{migration:?} was changed: {now:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_of_before_is_taken() {
    let seams = left_by_before(Mode::Embedded).await;
    let opened = seams.open_to_take().await;
    let mut expected = list("rows.json", "taken");
    while !expected.is_empty() {
        let taken = opened.take().await;
        let same = expected.iter().position(|of| taken.body() == envelope(of)).expect("its body");
        let of = expected.remove(same);
        assert_eq!(taken.way(), text(&of, "way"));
        taken.done();
    }
    assert_eq!(opened.depths().await["dead_letters"], 1, "what nobody could read is kept");
    opened.close().await;
}

fn envelope(of: &Value) -> Vec<u8> {
    product::envelopes(&json!({"of": [of["envelope"]]}), "of").remove(0)
}
