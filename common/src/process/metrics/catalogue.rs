//! What each metric means, for the `# HELP` lines that a scrape shows.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One metric.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

/// Every metric of [`crate::process::metrics`], in the same order.
pub(super) const CATALOGUE: &[Metric] = &[
    Metric {
        name: "quhao_submits_total",
        kind: Kind::Counter,
        help: "Submissions answered, by result: accepted, or the code of the problem.",
    },
    Metric {
        name: "quhao_rate_limited_total",
        kind: Kind::Counter,
        help: "Submissions and erasures refused because their client exceeded its rate, by client.",
    },
    Metric {
        name: "quhao_repairs_total",
        kind: Kind::Counter,
        help: "Fields whose transport damage was undone, by field and repair.",
    },
    Metric {
        name: "quhao_http_request_seconds",
        kind: Kind::Histogram,
        help: "Time to answer an HTTP request, waiting included, by route and status.",
    },
    Metric {
        name: "quhao_publish_confirm_seconds",
        kind: Kind::Histogram,
        help: "Time the queue took to confirm one publish.",
    },
    Metric {
        name: "quhao_message_jobs",
        kind: Kind::Histogram,
        help: "Jobs in a message that was published: more than one under load.",
    },
    Metric {
        name: "quhao_publish_refused_total",
        kind: Kind::Counter,
        help: "Publishes that were not confirmed, by reason: full, unavailable, unconfirmed.",
    },
    Metric {
        name: "quhao_queue_link_up",
        kind: Kind::Gauge,
        help: "Whether the link to the broker is up (1) or not (0), by direction: publish, consume.",
    },
    Metric {
        name: "quhao_queue_depth",
        kind: Kind::Gauge,
        help: "What waits in a queue to be taken, by queue: jobs and unrouted, in jobs (an estimate: messages times the mean of jobs a message); resume (outcomes to be committed) and dead (set aside), in messages; asked by workers every five seconds.",
    },
    Metric {
        name: "quhao_acks_lost_total",
        kind: Kind::Counter,
        help: "Settlements that the broker was not told of before it took the deliveries back.",
    },
    Metric {
        name: "quhao_expected_wait_seconds",
        kind: Kind::Gauge,
        help: "How long a job that is submitted now is expected to take, while jobs wait in the queue; else 0.",
    },
    Metric {
        name: "quhao_waiters",
        kind: Kind::Gauge,
        help: "HTTP requests that are waiting for a result.",
    },
    Metric {
        name: "quhao_queued_seconds",
        kind: Kind::Histogram,
        help: "Time a job had been queued when a worker took it.",
    },
    Metric {
        name: "quhao_deliveries_total",
        kind: Kind::Counter,
        help: "Deliveries taken, by whether the broker had delivered them before.",
    },
    Metric {
        name: "quhao_deliveries_skipped_total",
        kind: Kind::Counter,
        help: "Deliveries settled without an upstream call, by reason: known, expired, damaged.",
    },
    Metric {
        name: "quhao_dead_letters_total",
        kind: Kind::Counter,
        help: "Jobs and outcomes that were set aside and have met their end, by death (expired, delivery_limit, rejected, other) and end: recorded (as a failure), answered (it had one already), forgotten (nobody has to be told), unreadable.",
    },
    Metric {
        name: "quhao_outcomes_resumed_total",
        kind: Kind::Counter,
        help: "Outcomes that a worker could not commit when it ended, by result: handed_over or refused (lost) there, committed or damaged elsewhere.",
    },
    Metric {
        name: "quhao_suspects",
        kind: Kind::Gauge,
        help: "Jobs that a worker keeps to be worked on one by one, since they were left unsettled three times.",
    },
    Metric {
        name: "quhao_exchange_seconds",
        kind: Kind::Histogram,
        help: "Time of a call to the platform, by its result.",
    },
    Metric {
        name: "quhao_exchanges_repeated_total",
        kind: Kind::Counter,
        help: "Calls to the platform for a job that may have called before, by cause: not_sent, unanswered, busy, minute_quota, credential_refused, redelivery.",
    },
    Metric {
        name: "quhao_redeem_seconds",
        kind: Kind::Histogram,
        help: "Time of a call to the platform that redeems a phone code, by its result.",
    },
    Metric {
        name: "quhao_redeems_repeated_total",
        kind: Kind::Counter,
        help: "Calls to redeem the phone code of a job that may have called before, by cause: not_sent, unanswered, busy, minute_quota, credential_refused, redelivery.",
    },
    Metric {
        name: "quhao_token_fetch_seconds",
        kind: Kind::Histogram,
        help: "Time of one try to get a token, by kind (access, component) and result: token, or what was in the way.",
    },
    Metric {
        name: "quhao_jobs_total",
        kind: Kind::Counter,
        help: "Jobs ended, by outcome: succeeded, or the code of the failure.",
    },
    Metric {
        name: "quhao_job_seconds",
        kind: Kind::Histogram,
        help: "Time from submit to success.",
    },
    Metric {
        name: "quhao_decrypt_refused_total",
        kind: Kind::Counter,
        help: "Ciphertexts refused, by the check that failed: padding, utf8, json.",
    },
    Metric {
        name: "quhao_commit_jobs",
        kind: Kind::Histogram,
        help: "Jobs in one committed batch.",
    },
    Metric { name: "quhao_commit_seconds", kind: Kind::Histogram, help: "Time to commit a batch." },
    Metric {
        name: "quhao_commits_failed_total",
        kind: Kind::Counter,
        help: "Commits that failed, by reason: unavailable, rejected.",
    },
    Metric {
        name: "quhao_purged_total",
        kind: Kind::Counter,
        help: "Rows deleted after their retention, by table: answers, sessions, callbacks, erasures.",
    },
    Metric {
        name: "quhao_config_reloads_total",
        kind: Kind::Counter,
        help: "Readings of the configuration after SIGHUP, by result: applied, refused.",
    },
    Metric {
        name: "quhao_callback_attempt_seconds",
        kind: Kind::Histogram,
        help: "Time of an attempt at a callback, by result: delivered, or why it does not count.",
    },
    Metric {
        name: "quhao_callbacks_total",
        kind: Kind::Counter,
        help: "Callbacks that came to their end, by state: delivered, failed.",
    },
    Metric {
        name: "quhao_callback_seconds",
        kind: Kind::Histogram,
        help: "Time from a callback's commit to its delivery.",
    },
    Metric {
        name: "quhao_callbacks_under_way",
        kind: Kind::Gauge,
        help: "Callbacks that a worker is sending, and look-ups of names that outlast their attempt.",
    },
    Metric {
        name: "quhao_slots",
        kind: Kind::Gauge,
        help: "Jobs in a worker, by state: working, waiting between two attempts, or committing (their outcome is known).",
    },
    Metric {
        name: "quhao_circuits_open",
        kind: Kind::Gauge,
        help: "Apps whose calls a worker holds back, by cause: down, minute_quota, day_quota.",
    },
    Metric {
        name: "quhao_calls_held_back_total",
        kind: Kind::Counter,
        help: "Calls of the platform that were not made at once, by cause; each once, however long it waits.",
    },
];
