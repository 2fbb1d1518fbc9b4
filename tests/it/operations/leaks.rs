//! Nothing of what quhao is trusted with can be found where it does not belong: in log
//! lines at trace level, in error answers, at the broker, in the database.

use lapin::{Connection, ConnectionProperties, options::BasicGetOptions, types::AMQPValue};
use quhao_simulator::{
    Action, Endpoint, Login, LoginSpec, PhonePayload, PhoneTap, PhoneTapSpec, User,
};
use quhao_tests::{
    client::Client,
    config::{APP, Mode},
    in_both_modes,
    receiver::{Behaviour, Receiver},
    services,
    wait::PATIENCE,
    world::{World, WorldOptions, phone_job},
};
use serde_json::{Value, json};

use self::canaries::Canaries;
use crate::callbacks::delivery::{TALKATIVE, options, wait_for_status};

mod at_rest;
mod canaries;

in_both_modes!(a_run_at_trace_level_leaves_no_trace);

fn of_guest(guest: &User) -> Vec<String> {
    vec![
        guest.code.clone(),
        guest.session_key.clone(),
        guest.phone.clone(),
        guest.encrypted_data[..40].to_owned(),
    ]
}

/// A run in which everything happens once, and what must not be found after it.
struct Run {
    world: World,
    receiver: Receiver,
    client: Client,
    /// Part of every callback's URL.
    token: String,
    values: Vec<String>,
    /// Ids of jobs and handles of sessions.
    ids: Vec<String>,
    /// Responses to clients that must contain no result.
    answers: Vec<String>,
}

impl Run {
    async fn start(mode: Mode) -> Self {
        let receiver = Receiver::start().await;
        let options = options(&receiver, TALKATIVE, "callback_body = 'whole'");
        let world = World::with(mode, options).await;
        let (client, token) = (world.client(), format!("token-{:016x}", rand::random::<u64>()));
        let mut values = world.config.secrets().to_vec();
        let plain = world.config.webhook_secrets.iter().map(|it| it.replace("whsec_", ""));
        values.extend(plain.chain([token.clone()]));
        Self { world, receiver, client, token, values, ids: Vec::new(), answers: Vec::new() }
    }

    /// Submits the job and returns it when it is finished.
    async fn end(&mut self, mut job: Value) -> Value {
        job["deadline_seconds"] = json!(8);
        let reply = self.client.submit(&job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        let job = self.client.wait_until_done(reply.text_at("/url"), PATIENCE).await;
        self.ids.push(reply.text_at("/id").to_owned());
        if job["status"] == "failed" {
            self.answers.push(job.to_string());
        }
        job
    }

    fn with_callback(&self, mut job: Value) -> Value {
        let path = format!("/hooks/{0}?more={0}", self.token);
        job["callback_url"] = json!(self.receiver.url(&path));
        job
    }

    fn guest(&mut self) -> User {
        let guest = self.world.guest();
        self.values.extend(of_guest(&guest));
        guest
    }

    fn log_in(&mut self, spec: &LoginSpec) -> Login {
        let login = self.world.simulator.login(spec);
        self.values.extend([login.code.clone(), login.session_key.clone()]);
        login
    }

    fn tap(&mut self) -> PhoneTap {
        let tap = self.world.simulator.phone_tap(PhoneTapSpec::new(APP));
        self.values.extend([tap.phone_code.clone(), tap.phone.clone()]);
        tap
    }

    /// Runs jobs that succeed, fail, are retried, and lose their session.
    async fn logins(&mut self) {
        let scripts: [&[Action]; 6] = [
            &[],
            &[Action::Errcode(-1)],
            &[Action::Errcode(40125)],
            &[Action::ResetAfterRead { burn: true }],
            &[Action::Html],
            &[Action::Hang { burn: false }],
        ];
        for actions in scripts {
            let guest = self.guest();
            self.world.simulator.script_code(&guest.code, actions.to_vec()).unwrap();
            self.end(phone_job(&guest)).await;
        }
    }

    /// Submits a payload that a stored session opens, one that it does not, and one with a
    /// session that does not exist.
    async fn sessions(&mut self) {
        let login = self.log_in(&LoginSpec::new(APP));
        let job = self.end(json!({"code": login.code})).await;
        let handle = job["result"]["session"].as_str().expect("a session").to_owned();
        self.ids.push(handle.clone());
        let other = self.log_in(&LoginSpec::new(APP));
        let phone = self.tap().phone;
        for (key, status) in [(&login.session_key, "succeeded"), (&other.session_key, "failed")] {
            let sealed = PhonePayload::mainland(APP, &phone).encrypt(key).unwrap();
            self.values.push(sealed.encrypted_data[..40].to_owned());
            let mut job = json!({"session": handle, "encrypted_data": sealed.encrypted_data});
            job["iv"] = json!(sealed.iv);
            assert_eq!(self.end(job).await["status"], status);
        }
        let wrong = json!({"session": format!("{handle}0"), "encrypted_data": "AAAA", "iv": "A"});
        self.answers.push(self.client.submit(&wrong).await.text);
    }

    /// Redeems phone codes that succeed and fail, with two tokens of the app.
    async fn phone_codes(&mut self) {
        let scripts: [(&[Action], &str); 3] = [
            (&[], "succeeded"),
            (&[Action::Errcode(40029)], "failed"),
            (&[Action::Errcode(40001)], "succeeded"),
        ];
        for (actions, status) in scripts {
            let tap = self.tap();
            let endpoint = self.world.simulator.at(Endpoint::Getuserphonenumber);
            endpoint.script_for(&tap.phone_code, actions.to_vec()).unwrap();
            let job = self.end(json!({"phone_code": tap.phone_code})).await;
            assert_eq!(job["status"], status, "{job}");
            self.values.push(self.world.simulator.access_token(APP));
            self.world.simulator.revoke_access_token(APP);
        }
        self.values.dedup();
    }

    /// Makes callbacks that arrive, and some that their receiver refuses.
    async fn callbacks(&mut self) {
        for (behaviour, status) in [(410, "failed"), (204, "delivered")] {
            self.receiver.otherwise(Behaviour::Status(behaviour));
            let (guest, tap) = (self.guest(), self.tap());
            for job in [phone_job(&guest), json!({"phone_code": tap.phone_code})] {
                let job = self.end(self.with_callback(job)).await;
                let url = job["url"].as_str().unwrap();
                wait_for_status(&self.client, url, status).await;
            }
        }
        let sent = self.receiver.received();
        assert_eq!(sent.len(), 4);
        assert!(sent.iter().all(|sent| sent.body.contains("e164")), "the number goes along");
        let signatures = sent.iter().flat_map(|sent| sent.header("webhook-signature").split(' '));
        self.values.extend(signatures.map(|text| text.replace("v1,", "")));
        let elsewhere = format!("https://elsewhere.example/{}", self.token);
        let guest = self.guest();
        let mut job = phone_job(&guest);
        job["callback_url"] = json!(elsewhere);
        self.answers.push(self.client.submit(&job).await.text);
    }

    /// Erases a person by number, another by openid, and a job.
    async fn erasures(&mut self) {
        let (by_number, by_openid, job) = (self.guest(), self.guest(), self.guest());
        for guest in [&by_number, &by_openid] {
            let job = self.with_callback(phone_job(guest));
            assert_eq!(self.end(job).await["status"], "succeeded");
        }
        let job = self.end(phone_job(&job)).await;
        let number = json!({"e164": format!("+86{}", by_number.phone)});
        for whom in [number, json!({"openid": by_openid.openid})] {
            let reply = self.client.post("/v1/erasures", &whom).await;
            assert_eq!((reply.status, reply.body["jobs"].as_u64()), (200, Some(1)), "{whom}");
        }
        let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
        assert_eq!(self.client.delete(&path).await.status, 204);
        let wrong = json!({"e164": by_openid.phone, "openid": by_openid.phone});
        self.answers.push(self.client.post("/v1/erasures", &wrong).await.text);
    }

    /// Sends requests whose responses say what is wrong with them.
    async fn refusals(&mut self) {
        let (guest, tap) = (self.guest(), self.tap());
        let other = self.log_in(&LoginSpec::new(APP));
        let misfit = json!({
            "code": other.code, "encrypted_data": guest.encrypted_data, "iv": guest.iv,
        });
        let cut = &guest.encrypted_data[1..];
        let refused = [
            misfit,
            json!({"code": guest.code, "encrypted_data": cut, "iv": guest.iv}),
            json!({"code": guest.code, "surprise": guest.phone, "deadline_seconds": guest.phone}),
            json!({"code": format!("{}\n", guest.code), "iv": guest.session_key}),
            json!({"phone_code": format!("{}\n", tap.phone_code), "openid": [tap.phone]}),
            json!({"phone_code": tap.phone_code, "code": guest.code}),
            json!({"app_id": guest.phone, "code": guest.code}),
            json!([guest.code, guest.phone]),
            Value::String(guest.phone.clone()),
        ];
        for job in refused {
            self.answers.push(self.client.submit_and_wait(&job, 10).await.text);
        }
        let stranger = self.client.with_key(Some(&self.world.config.secrets()[2]));
        self.answers.push(stranger.submit(&phone_job(&guest)).await.text);
    }
}

async fn a_run_at_trace_level_leaves_no_trace(mode: Mode) {
    let mut run = Run::start(mode).await;
    run.logins().await;
    run.sessions().await;
    run.phone_codes().await;
    run.callbacks().await;
    run.erasures().await;
    run.refusals().await;

    let Run { world, values, ids, answers, .. } = run;
    let (canaries, tags) = (Canaries::new(values), Canaries::of_tags(ids.iter().map(|id| &**id)));
    let logs = world.logs();
    assert!(logs.contains("\"TRACE\"") || logs.contains("\"DEBUG\""), "the filter is on");
    canaries.assert_absent("a log line", logs.as_bytes());
    tags.assert_absent("a log line", logs.as_bytes());
    for answer in answers {
        canaries.assert_absent("an error answer", answer.as_bytes());
    }
    at_rest::assert_absent(&world, &canaries).await;
    at_rest::assert_absent(&world, &tags).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_at_the_broker_tells_nothing() {
    let receiver = Receiver::start().await;
    let options = WorldOptions { workers: 0, ..options(&receiver, "", "") };
    let world = World::with(Mode::Distributed, options).await;
    let (guest, tap) = (world.guest(), world.simulator.phone_tap(PhoneTapSpec::new(APP)));
    let mut values = of_guest(&guest);
    values.extend(world.config.secrets().iter().cloned());
    let others = ["table-for-canary-birds", "token-for-canary-birds", &tap.phone_code, &tap.openid];
    values.extend(others.map(str::to_owned));
    let canaries = Canaries::new(values);

    let connection =
        Connection::connect(&services::amqp_url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = world.queues()[0].clone();
    let headers_sent = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")];
    for mut job in [phone_job(&guest), json!({"phone_code": tap.phone_code, "openid": tap.openid})]
    {
        job["metadata"] = json!({"note": "table-for-canary-birds"});
        job["callback_url"] = json!(receiver.url("/hooks/token-for-canary-birds"));
        let reply = world.client().submit_with(&job, &headers_sent).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        let options = BasicGetOptions { no_ack: true };
        let message = channel.basic_get(queue.as_str().into(), options).await.unwrap().unwrap();
        // The id may go along, its tag may not.
        let id = reply.text_at("/id");
        let properties = format!("{:?}", message.properties);
        assert!(properties.contains(&id[..31]) && !properties.contains(&id[32..]), "{properties}");
        for canaries in [&canaries, &Canaries::of_tags([id])] {
            canaries.assert_absent("the properties", properties.as_bytes());
            canaries.assert_absent("the body", &message.data);
        }
        let headers = message.properties.headers().as_ref().expect("headers").inner();
        let trace = headers.get("traceparent").and_then(AMQPValue::as_long_string);
        let sent = headers_sent[0].1.as_bytes();
        assert_eq!(trace.expect("a trace").as_bytes(), sent, "the trace goes along");
    }
    connection.close(200, "done".into()).await.unwrap();
}
