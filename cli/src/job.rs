//! `quhao job`: what an operator may know about a job. Never shows a phone number or an openid.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use quhao_common::{
    config::Config,
    crypto::vault::VaultError,
    domain::{
        answer::{Answer, AnswerError, StoredAnswer},
        failure::Failure,
        id::{self, JobId, JobKey},
        job::Shape,
        outcome::Outcome,
    },
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    config, existing_store,
    exit::{CommandResult, Exit},
};

/// `quhao job`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The job's id, whole or as logs show it (without its tag)
    id: String,
}

/// The state of a job, as far as this process can read it.
enum Finding {
    Succeeded,
    Failed(Failure, Shape),
    /// Erased: only the fact is kept.
    Erased,
    /// Finished, but this configuration cannot open the answer, for this reason.
    Unreadable(&'static str),
}

/// Looks the job up and prints its state.
pub(crate) async fn run(arguments: Arguments, file: Option<PathBuf>) -> CommandResult {
    // Checked before the configuration is read: a malformed id needs no store.
    let Some((number, key)) = id::parse_for_operator(&arguments.id) else {
        return Err(Exit::misused(
            "not a job's id: expected `job_` and 40 characters, or 28 as logs show it",
        ));
    };
    let config = config::load(file)?;
    if let Some(id) = JobId::parse_unverified(&arguments.id)
        && !is_ours(&config, &id)
    {
        return Err(Exit::failed(
            "not made for any app of this configuration with the secrets that it lists".to_owned(),
        ));
    }
    let store = existing_store::open(&config).await?;
    let rows = store.answers(&[key]).await;
    store.close().await;
    let row = rows?.into_iter().next();

    let mut out = io::stdout().lock();
    writeln!(out, "job         {}", tagless(number, key))?;
    writeln!(out, "id secret   k{number}")?;
    let Some(row) = row else {
        writeln!(out, "status      queued or unknown: the store has no answer to it")?;
        return Ok(());
    };
    let finding = find(&config, key, &row);
    writeln!(out, "status      {}", status(&finding))?;
    write_times(&mut out, &row)?;
    write_failure(&mut out, &finding)?;
    out.flush()?;
    match finding {
        Finding::Failed(..) => Err(Exit::Failed(None)),
        Finding::Succeeded | Finding::Erased | Finding::Unreadable(_) => Ok(()),
    }
}

/// Returns whether the id's tag proves that it was issued under this configuration.
fn is_ours(config: &Config, id: &JobId) -> bool {
    config.directory.apps().any(|app| config.id_keys.proves(id, &app.client, &app.id))
}

/// Returns the id without a tag, as logs show it.
fn tagless(number: u8, key: JobKey) -> JobId {
    let mut bytes = [0; 25];
    bytes[0] = number;
    bytes[1..=16].copy_from_slice(key.as_bytes());
    // `Display` leaves out the tag, which is not known here anyway.
    JobId::from_bytes(bytes)
}

/// Opens the answer with each app in turn: the row does not name its app, the seal does.
fn find(config: &Config, key: JobKey, row: &StoredAnswer) -> Finding {
    let Some(sealed) = &row.answer else { return Finding::Erased };
    for app in config.directory.apps() {
        match Answer::open(&config.vault, key, &app.id, sealed) {
            Ok(Answer { outcome: Outcome::Succeeded(_), .. }) => return Finding::Succeeded,
            Ok(Answer { outcome: Outcome::Failed(failure), shape, .. }) => {
                return Finding::Failed(failure, shape);
            }
            Err(AnswerError::Vault(VaultError::UnknownKey(_))) => {
                return Finding::Unreadable("its seal key is not in [secrets] seal");
            }
            Err(AnswerError::Vault(VaultError::Damaged)) => {}
            Err(AnswerError::Form) => return Finding::Unreadable("written by another version"),
        }
    }
    Finding::Unreadable("of an app that is not configured here, or sealed with another secret")
}

fn status(finding: &Finding) -> String {
    match finding {
        Finding::Succeeded => "succeeded".to_owned(),
        Finding::Failed(..) => "failed".to_owned(),
        Finding::Erased => "erased".to_owned(),
        Finding::Unreadable(why) => format!("finished; how cannot be read: {why}"),
    }
}

fn write_times(out: &mut impl Write, row: &StoredAnswer) -> Result<(), Exit> {
    let gone =
        if row.purge_at <= OffsetDateTime::now_utc() { " (over: counts as gone)" } else { "" };
    writeln!(out, "created     {}", time(row.created_at)?)?;
    writeln!(out, "deadline    {}", time(row.expires_at)?)?;
    writeln!(out, "finished    {}", time(row.finished_at)?)?;
    writeln!(out, "kept until  {}{gone}", time(row.purge_at)?)?;
    Ok(())
}

/// Formats a time to the millisecond, as the API does.
fn time(at: OffsetDateTime) -> Result<String, time::error::Format> {
    at.truncate_to_millisecond().format(&Rfc3339)
}

fn write_failure(out: &mut impl Write, finding: &Finding) -> io::Result<()> {
    let Finding::Failed(failure, shape) = finding else { return Ok(()) };
    let code = failure.code;
    writeln!(out, "error       {}: {}", code.as_str(), code.message())?;
    writeln!(out, "advice      {}", code.advice(*shape).as_str())?;
    if let Some(number) = failure.platform_code {
        writeln!(out, "platform    answered {number}")?;
    }
    if let Some(rid) = &failure.platform_rid {
        writeln!(out, "platform    request id {rid}")?;
    }
    Ok(())
}
