//! What processes of different builds tell each other over one Postgres.

use quhao_tests::{
    config::{Backing, Mode},
    wait::{PATIENCE, eventually, within},
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, postgres::PgListener};

use super::{
    file::{array, list, named, read, text},
    product::{self, Opened, Seams},
};

async fn postgres() -> (Seams, Opened, PgConnection) {
    let seams = Seams::new(Mode::Distributed).await;
    let opened = seams.open().await;
    let Backing::Servers { database, .. } = &seams.backing else { unreachable!() };
    let connection = database.connect().await;
    (seams, opened, connection)
}

/// Hears what is told on the channel of before.
async fn listener(seams: &Seams) -> PgListener {
    let Backing::Servers { database, .. } = &seams.backing else { unreachable!() };
    let mut listener = PgListener::connect(database.url()).await.unwrap();
    listener.listen(text(&read("notifications.json"), "channel")).await.unwrap();
    listener
}

/// Returns the next payload that is no marker of a listener.
async fn next_payload(listener: &mut PgListener) -> String {
    let marker = text(&read("notifications.json"), "marker_prefix").to_owned();
    loop {
        let next = within("a notification", PATIENCE, listener.recv()).await.unwrap();
        if !next.payload().starts_with(&marker) {
            return next.payload().to_owned();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_notify_as_before() {
    let (seams, opened, connection) = postgres().await;
    let mut listener = listener(&seams).await;
    for entry in list("notifications.json", "commits") {
        product::finish(opened.store(), array(&entry, "outcomes")).await;
        assert_eq!(next_payload(&mut listener).await, text(&entry, "payload"), "{entry}");
    }
    let erasure = read("notifications.json")["erasure"].clone();
    product::step(opened.store(), &erasure["step"]).await;
    assert_eq!(next_payload(&mut listener).await, text(&erasure, "payload"));
    opened.close().await;
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_of_before_are_understood() {
    let (_seams, opened, mut connection) = postgres().await;
    let mut notifications = product::listen(opened.store()).await;
    let file = read("notifications.json");
    let channel = text(&file, "channel");
    let mut tell = async |payload: &str| {
        let tell = sqlx::query("select pg_notify($1, $2)").bind(channel).bind(payload);
        tell.execute(&mut connection).await.unwrap();
    };
    for entry in array(&file, "payloads") {
        // Another listener's marker tells of no job.
        tell(text(&file, "marker")).await;
        tell(text(entry, "payload")).await;
        let throughput: Vec<&Value> =
            entry["throughput"].is_object().then_some(&entry["throughput"]).into_iter().collect();
        let expected = json!({"keys": entry["keys"], "throughput": throughput, "after_gap": false});
        assert_eq!(product::next_heard(&mut notifications).await, expected, "{entry}");
    }
    opened.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_test_the_line_as_before() {
    let (seams, opened, _connection) = postgres().await;
    let mut listener = listener(&seams).await;
    let _notifications = product::listen(opened.store()).await;
    let heard = within("a marker", PATIENCE, listener.recv()).await.unwrap();
    let prefix = text(&read("notifications.json"), "marker_prefix").to_owned();
    let number = heard.payload().strip_prefix(&prefix).expect("the marker's beginning");
    let is_number = (1..=16).contains(&number.len())
        && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(is_number, "{}", heard.payload());
    opened.close().await;
}

/// The lock that keeps commits and records of erasures of all builds apart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_and_erasures_take_the_lock_of_before() {
    let (seams, opened, mut connection) = postgres().await;
    let lock = read("notifications.json")["advisory_lock"].as_i64().unwrap();
    sqlx::query("select pg_advisory_lock($1)").bind(lock).execute(&mut connection).await.unwrap();
    let outcome = named("notifications.json", "commits", "one")["outcomes"].clone();
    let erasure = named("rows.json", "steps", "erase_person");
    let working = async {
        let names = outcome.as_array().unwrap();
        let (store, erasure) = (opened.store(), &erasure);
        tokio::join!(product::finish(store, names), product::step(store, erasure));
    };
    let mut working = std::pin::pin!(working);
    let waiting = eventually("both wait for it", PATIENCE, async || waiting(&seams, lock).await);
    tokio::select! {
        () = &mut working => panic!("nobody waited"),
        () = waiting => {}
    }
    connection.close().await.unwrap();
    within("the end of both", PATIENCE, working).await;
    opened.close().await;
}

/// Returns whether two wait for the advisory lock of this number: one shared, one alone.
async fn waiting(seams: &Seams, lock: i64) -> Option<()> {
    let Backing::Servers { database, .. } = &seams.backing else { unreachable!() };
    let mut connection = database.connect().await;
    let sql = "select count(distinct mode) from pg_locks \
               where locktype = 'advisory' and not granted and objsubid = 1 \
                 and (classid::bigint << 32 | objid::bigint) = $1 \
                 and database = (select oid from pg_database where datname = current_database())";
    let count: i64 = sqlx::query_scalar(sql).bind(lock).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    (count == 2).then_some(())
}
