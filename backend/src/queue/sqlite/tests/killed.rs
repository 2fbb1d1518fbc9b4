use std::{
    collections::BTreeSet,
    io::{BufRead, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use super::{LIMIT, delivered, job, number, opened_as};
use crate::queue::status::Roles;

const CHILD: &str = "QUHAO_TEST_KILLED_PUBLISHER";

/// The test starts itself once more as a process that publishes, and kills that one.
#[tokio::test(flavor = "multi_thread")]
async fn killed_process_leaves_every_accepted_message() {
    if let Some(path) = std::env::var_os(CHILD) {
        return publish_until_killed(Path::new(&path)).await;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("quhao.db");
    let name = "queue::sqlite::tests::killed::killed_process_leaves_every_accepted_message";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut accepted = BTreeSet::new();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let number_of = |line: String| line.strip_prefix("accepted ")?.parse::<u16>().ok();
    while accepted.len() < 300 {
        accepted.extend(number_of(lines.next().unwrap().unwrap()));
    }
    child.kill().unwrap(); // with SIGKILL
    child.wait().unwrap();
    accepted.extend(lines.map_while(Result::ok).filter_map(number_of));

    let queue = opened_as(&path, Roles { publish: true, prefetch_max: Some(60_000) }, |_| {}).await;
    let deliveries = delivered(&queue, accepted.len()).await;
    let came: BTreeSet<u16> = deliveries.iter().map(number).collect();
    assert!(came.is_superset(&accepted), "{} of {}", came.len(), accepted.len());
    queue.close(LIMIT).await;
}

async fn publish_until_killed(path: &Path) {
    let queue = opened_as(path, Roles { publish: true, prefetch_max: None }, |_| {}).await;
    let queue = Arc::new(queue);
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..16 {
        let queue = Arc::clone(&queue);
        tasks.spawn(async move {
            for at in (lane..60_000).step_by(16) {
                queue.publish(job(at)).await.unwrap();
                writeln!(std::io::stdout(), "\naccepted {at}").unwrap();
            }
        });
    }
    tasks.join_all().await;
}
