//! Nothing of what quhao is trusted with can be found where it does not belong: in log
//! lines at trace level, in error answers, at the broker, in the database.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use data_encoding::HEXLOWER;
use lapin::{Connection, ConnectionProperties, options::BasicGetOptions, types::AMQPValue};
use quhao_simulator::{Action, Guest, LoginSpec};
use quhao_tests::{
    config::{APP, Backing, Mode},
    in_both_modes, services,
    wait::PATIENCE,
    world::{Knobs, World, phone_job},
};
use serde_json::{Value, json};
use sqlx::Row;

in_both_modes!(a_run_at_trace_level_leaves_no_trace);

/// Every form in which a value could stand in a text or in bytes.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let hex = HEXLOWER.encode(value.as_bytes());
    let bytes: String = format!("{:?}", value.as_bytes()).trim_matches(['[', ']']).to_owned();
    let percent = value.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    // In base64 a value looks different at each of three offsets; the ends are cut off,
    // where neighbours show through.
    let in_base64 = (0..3).map(|offset| {
        let text = STANDARD_NO_PAD.encode(format!("{}{value}", "x".repeat(offset)));
        text[4..text.len() - 2].to_owned()
    });
    [value.to_owned(), hex.to_uppercase(), hex, bytes, percent]
        .into_iter()
        .chain(in_base64)
        .map(String::into_bytes)
        .collect()
}

struct Canaries(Vec<(String, Vec<Vec<u8>>)>);

impl Canaries {
    fn new(values: impl IntoIterator<Item = String>) -> Self {
        Self(
            values
                .into_iter()
                .map(|value| {
                    let forms = forms(&value);
                    (value, forms)
                })
                .collect(),
        )
    }

    fn assert_absent(&self, place: &str, haystack: &[u8]) {
        for (value, forms) in &self.0 {
            for form in forms {
                let found = haystack.windows(form.len()).position(|window| window == &form[..]);
                if let Some(at) = found {
                    let around = at.saturating_sub(200)..(at + 200).min(haystack.len());
                    let text = String::from_utf8_lossy(&haystack[around]).into_owned();
                    panic!("{value:?} stands in {place}: …{text}…");
                }
            }
        }
    }
}

/// The search itself: a value is found in whatever form it stands somewhere.
#[test]
fn a_leak_would_be_found() {
    let value = "tiihtNczf5v6AKRyjwEUhQ==";
    let canaries = Canaries::new([value.to_owned()]);
    canaries.assert_absent("clean text", b"nothing to see here");
    let texts = [
        format!("key={value}&x"),
        "key=tiihtNczf5v6AKRyjwEUhQ%3D%3D".to_owned(),
        data_encoding::HEXUPPER.encode(value.as_bytes()),
        format!("{:?}", value.as_bytes()),
        STANDARD_NO_PAD.encode(format!("ab{value}cd")),
    ];
    for text in texts {
        let search = || canaries.assert_absent("a text", text.as_bytes());
        assert!(std::panic::catch_unwind(search).is_err(), "not found in {text}");
    }
}

fn of_guest(guest: &Guest) -> Vec<String> {
    vec![
        guest.code.clone(),
        guest.session_key.clone(),
        guest.phone.clone(),
        guest.encrypted_data[..40].to_owned(),
    ]
}

async fn a_run_at_trace_level_leaves_no_trace(mode: Mode) {
    let knobs = Knobs { config: "[log]\nfilter = 'trace'\n".to_owned(), ..Knobs::default() };
    let world = World::with(mode, knobs).await;
    let client = world.client();
    let mut values = world.config.secrets().to_vec();
    let mut answers = Vec::new();

    // Jobs that succeed, fail, are retried, and are refused.
    let scripts: [&[Action]; 6] = [
        &[],
        &[Action::Errcode(-1)],
        &[Action::Errcode(40125)],
        &[Action::ResetAfterRead { burn: true }],
        &[Action::Html],
        &[Action::Hang { burn: false }],
    ];
    for actions in scripts {
        let guest = world.guest();
        values.extend(of_guest(&guest));
        world.simulator.script_code(&guest.code, actions.to_vec()).unwrap();
        let mut job = phone_job(&guest);
        job["deadline_seconds"] = json!(8);
        let reply = client.submit(&job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        let job = client.wait_until_done(reply.text_at("/url"), PATIENCE).await;
        if job["status"] == "failed" {
            answers.push(job.to_string());
        }
    }
    let (guest, other) = (world.guest(), world.simulator.login(&LoginSpec::new(APP)));
    values.extend(of_guest(&guest));
    values.extend([other.code.clone(), other.session_key.clone()]);
    let misfit = json!({
        "code": other.code, "encrypted_data": guest.encrypted_data, "iv": guest.iv,
    });
    let refused = [
        misfit,
        json!({"code": guest.code, "encrypted_data": &guest.encrypted_data[1..], "iv": guest.iv}),
        json!({"code": guest.code, "surprise": guest.phone, "deadline_seconds": guest.phone}),
        json!({"code": format!("{}\n", guest.code), "iv": guest.session_key}),
        json!({"app_id": guest.phone, "code": guest.code}),
        json!([guest.code, guest.phone]),
        Value::String(guest.phone.clone()),
    ];
    for job in refused {
        answers.push(client.submit_and_wait(&job, 10).await.text);
    }
    let stranger = client.with_key(Some(&world.config.secrets()[2]));
    answers.push(stranger.submit(&phone_job(&guest)).await.text);

    let canaries = Canaries::new(values);
    let logs = world.logs();
    assert!(logs.contains("\"TRACE\"") || logs.contains("\"DEBUG\""), "the filter is on");
    canaries.assert_absent("a log line", logs.as_bytes());
    for answer in answers {
        canaries.assert_absent("an error answer", answer.as_bytes());
    }
    at_rest(&world, &canaries).await;
}

async fn at_rest(world: &World, canaries: &Canaries) {
    match &world.backing {
        Backing::Servers { database, .. } => {
            let mut connection = database.connect().await;
            for table in ["select jobs::text from jobs", "select sessions::text from sessions"] {
                let rows = sqlx::query(table).fetch_all(&mut connection).await.unwrap();
                assert!(!rows.is_empty(), "{table}");
                for row in rows {
                    canaries.assert_absent(table, row.get::<String, _>(0).as_bytes());
                }
            }
        }
        Backing::File => {
            for entry in std::fs::read_dir(world.config.folder()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.contains("quhao.db") {
                    canaries.assert_absent(&name, &std::fs::read(&path).unwrap());
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_at_the_broker_tells_nothing() {
    let world = World::with(Mode::Distributed, Knobs { workers: 0, ..Knobs::default() }).await;
    let guest = world.guest();
    let mut job = phone_job(&guest);
    job["metadata"] = json!({"note": "table-for-canary-birds"});
    let headers_sent = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    let reply = world.client().submit_with(&job, &headers_sent).await;
    assert_eq!(reply.status, 202, "{}", reply.text);

    let Backing::Servers { prefix, .. } = &world.backing else { unreachable!() };
    let connection =
        Connection::connect(&services::amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = prefix.queues()[0].clone();
    let options = BasicGetOptions { no_ack: true };
    let message = channel.basic_get(queue.as_str().into(), options).await.unwrap().unwrap();
    let mut values = of_guest(&guest);
    values.extend(world.config.secrets().iter().cloned());
    values.push("table-for-canary-birds".to_owned());
    // The id may go along, its tag may not.
    let id = reply.text_at("/id");
    let properties = format!("{:?}", message.properties);
    assert!(properties.contains(&id[..31]) && !properties.contains(&id[32..]), "{properties}");
    let canaries = Canaries::new(values);
    canaries.assert_absent("the properties", properties.as_bytes());
    canaries.assert_absent("the body", &message.data);
    let headers = message.properties.headers().as_ref().expect("headers").inner();
    let trace = headers.get("traceparent").and_then(AMQPValue::as_long_string).expect("a trace");
    assert_eq!(trace.as_bytes(), headers_sent[0].1.as_bytes(), "the trace goes along");
    connection.close(200, "done".into()).await.unwrap();
}
