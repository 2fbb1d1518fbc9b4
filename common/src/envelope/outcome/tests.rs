use time::macros::datetime;

use super::*;
use crate::crypto::keyring::{Keyring, Secret32};

fn vault(number: u8) -> Vault {
    Vault::new(&Keyring::new(vec![(number, Secret32::new([number; 32]))]).unwrap())
}

fn id() -> JobId {
    JobId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

fn succeeded() -> Finished {
    Finished {
        key: id().key(),
        client: ClientName::new("orders").unwrap(),
        app: AppId::new("wx4f4bc4dec97d474b").unwrap(),
        final_state: FinalState::Succeeded,
        created_at: datetime!(2026-11-22 12:00:00.123 UTC),
        expires_at: datetime!(2026-11-22 12:04:00.456 UTC),
        taken_at: None,
        finished_at: datetime!(2026-11-22 12:00:01.789 UTC),
        purge_at: datetime!(2026-11-23 12:04:00 UTC),
        answer: Sealed::from_bytes(vec![3; 700]),
        openid: Some("oGZUI0egBJY1zhBYw2KhdUfwVJJE".to_owned()),
        guest_hash: Some([4; 16]),
        phone_hash: Some([5; 16]),
        callback: Some(datetime!(2026-11-22 12:00:00 UTC)),
        session: Some(NewSession {
            openid: "oGZUI0egBJY1zhBYw2KhdUfwVJJE".to_owned(),
            handle: HandleKey::of(
                &ClientName::new("orders").unwrap(),
                &AppId::new("wx4f4bc4dec97d474b").unwrap(),
                "oGZUI0egBJY1zhBYw2KhdUfwVJJE",
            ),
            unionid: Some("unionid".to_owned()),
            key: Sealed::from_bytes(vec![6; 45]),
            key_hash: [7; 16],
            code_hash: [8; 16],
            exchanged_at: datetime!(2026-11-22 12:00:01 UTC),
            purge_at: datetime!(2026-11-25 12:00:01 UTC),
        }),
    }
}

fn failed(code: FailureCode) -> Finished {
    Finished {
        final_state: FinalState::Failed(code),
        openid: None,
        guest_hash: None,
        phone_hash: None,
        callback: None,
        session: None,
        ..succeeded()
    }
}

#[test]
fn outcome_arrives_whole() {
    let vault = vault(1);
    let all = FailureCode::ALL.iter().map(|code| failed(*code));
    for sent in all.chain([succeeded()]) {
        let body = seal(&vault, &id(), &sent);
        let (job, arrived) = open(&vault, &body).unwrap();
        assert_eq!(job.bytes(), id().bytes());
        assert_eq!(format!("{arrived:?}"), format!("{sent:?}"));
        assert!(arrived.answer == sent.answer, "to the byte");
        let key = |finished: &Finished| finished.session.clone().map(|session| session.key);
        assert!(key(&arrived) == key(&sent));
    }
}

#[test]
fn outcome_is_sealed_and_small() {
    let body = seal(&vault(1), &id(), &succeeded());
    for word in [&b"orders"[..], b"wx4f", b"oGZUI", b"unionid", id().key().as_bytes()] {
        assert!(!body.windows(word.len()).any(|part| part == word), "{word:?}");
    }
    // The queue's bound in bytes assumes this.
    assert!(body.len() < 2000, "{}", body.len());
}

#[test]
fn unreadable_outcomes_say_why() {
    let body = seal(&vault(1), &id(), &succeeded());
    assert!(is_outcome(&body));
    let error = |body: &[u8]| open(&vault(1), body).unwrap_err();
    assert_eq!(open(&vault(2), &body).unwrap_err(), EnvelopeError::UnknownKey(1));
    let mut newer = body.clone();
    newer[0] += 1;
    assert!(is_outcome(&newer));
    assert_eq!(error(&newer), EnvelopeError::Version(VERSION + 1));
    for at in [1, 2, 20, body.len() - 1] {
        let mut changed = body.clone();
        changed[at] ^= 0x40;
        let expected =
            if at == 1 { EnvelopeError::UnknownKey(0x41) } else { EnvelopeError::Damaged };
        assert_eq!(error(&changed), expected, "{at}");
    }
    for (cut, ours) in [(0, false), (1, true), (30, true)] {
        assert_eq!((error(&body[..cut]), is_outcome(&body[..cut])), (EnvelopeError::Damaged, ours));
    }
    assert!(EnvelopeError::UnknownKey(1).is_recoverable_here());
    assert!(EnvelopeError::UnknownFailure.is_recoverable_here());
    assert!(!EnvelopeError::Damaged.is_recoverable_here());
}

#[test]
fn failure_of_a_later_version_is_not_damage() {
    let vault = vault(1);
    let sealed = |name: &str| {
        let mut text = text(&id(), &failed(FailureCode::NoPhone));
        text.failed = Some(name.to_owned());
        let text = serde_json::to_vec(&text).unwrap();
        [vec![VERSION], vault.seal(associated_data(&[VERSION]), &text).into_bytes()].concat()
    };
    assert!(open(&vault, &sealed("no_phone")).is_ok());
    assert_eq!(
        open(&vault, &sealed("from_the_future")).unwrap_err(),
        EnvelopeError::UnknownFailure
    );
}

/// The queue of dead letters may hold both.
#[test]
fn envelope_of_a_job_is_no_outcome() {
    use crate::{
        domain::{
            job::{Job, Work},
            phone::LoginCode,
        },
        envelope::job,
    };
    let code = LoginCode::new("0123456789abcdef".to_owned());
    let login = Job {
        id: id(),
        client: ClientName::new("orders").unwrap(),
        app: AppId::new("wx1").unwrap(),
        created_at: datetime!(2026-11-22 12:00:00 UTC),
        expires_at: datetime!(2026-11-22 12:04:00 UTC),
        work: Work::Login { code },
        metadata: None,
        callback_url: None,
        traceparent: None,
    };
    let vault = vault(1);
    let envelope = job::seal(&vault, &login);
    assert!(!is_outcome(&envelope));
    assert_eq!(open(&vault, &envelope).unwrap_err(), EnvelopeError::Damaged);
}
