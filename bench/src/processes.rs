//! What processes cost: processor time and memory, from `/proc`.

use std::{collections::HashMap, fs, path::Path, process::Command, sync::OnceLock, time::Duration};

/// The part that a process plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Takes jobs.
    Producer,
    /// Works on jobs.
    Worker,
    /// Both, in embedded mode.
    Embedded,
    /// `RabbitMQ`.
    Broker,
    /// Postgres, all its processes.
    Store,
    /// Load and platform: this process.
    Bench,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Worker => "worker",
            Self::Embedded => "quhao",
            Self::Broker => "broker",
            Self::Store => "store",
            Self::Bench => "load and platform",
        }
    }

    /// Returns the name of a server's program, to be sure that its port is not a proxy's.
    fn program(self) -> Option<&'static str> {
        match self {
            Self::Broker => Some("beam"),
            Self::Store => Some("postgres"),
            _ => None,
        }
    }
}

/// A process that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) role: Role,
    pid: u32,
}

impl Watched {
    pub(crate) fn new(role: Role, pid: u32) -> Self {
        Self { role, pid }
    }

    /// Returns this process.
    pub(crate) fn ourselves() -> Self {
        Self::new(Role::Bench, std::process::id())
    }

    /// Finds the server of this role that listens on this port of this machine; `None` if it
    /// cannot be seen: in a container, or through a proxy.
    pub(crate) fn listening(role: Role, port: u16) -> Option<Self> {
        let pid = listener(port)?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        name.starts_with(role.program()?).then_some(Self { role, pid })
    }

    /// Returns the processor time that it has used. Postgres' processes are counted together,
    /// those that have ended too.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        let own = Stat::of(self.pid)?;
        let ticks = match self.role {
            Role::Store => own.ticks + own.ticks_of_ended + ticks_below(self.pid),
            _ => own.ticks,
        };
        Some(Duration::from_millis(ticks * 1000 / ticks_per_second()))
    }

    /// Returns the most memory that it has held, in bytes.
    pub(crate) fn peak_bytes(self) -> Option<u64> {
        memory(self.pid, "VmHWM:")
    }

    /// Returns the memory that it holds, in bytes.
    pub(crate) fn resident_bytes(self) -> Option<u64> {
        memory(self.pid, "VmRSS:")
    }
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
    /// Of children that have ended.
    ticks_of_ended: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn read(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold spaces.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks: number(11)? + number(12)?,
            ticks_of_ended: number(13)? + number(14)?,
        })
    }
}

/// Returns the ticks of all processes below one.
fn ticks_below(root: u32) -> u64 {
    let stats: HashMap<u32, Stat> = pids().filter_map(|pid| Some((pid, Stat::of(pid)?))).collect();
    let below = |pid: &u32| {
        let mut at = *pid;
        // A chain of parents ends at process 1, whose parent is 0.
        while let Some(stat) = stats.get(&at) {
            if stat.parent == root {
                return true;
            }
            at = stat.parent;
        }
        false
    };
    stats.iter().filter(|(pid, _)| below(pid)).map(|(_, stat)| stat.ticks).sum()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn memory(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn ticks_per_second() -> u64 {
    static TICKS: OnceLock<u64> = OnceLock::new();
    *TICKS.get_or_init(|| {
        let output = Command::new("getconf").arg("CLK_TCK").output().ok();
        output.and_then(|o| String::from_utf8_lossy(&o.stdout).trim().parse().ok()).unwrap_or(100)
    })
}

/// Finds the process that listens on this port.
fn listener(port: u16) -> Option<u32> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    pids().find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| inodes.iter().any(|inode| link == Path::new(inode)))
    })
}

/// Finds the inodes of the sockets that listen on this port, in a table like `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    const LISTENING: &str = "0A";
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
        let listens = *fields.get(3)? == LISTENING && local == port;
        if listens { fields.get(9)?.parse().ok() } else { None }
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_name_with_blanks_does_not_shift_the_fields() {
        let text = "42 (a (b) c) S 7 1 1 0 -1 0 0 0 0 0 100 23 5 6 20 0 1 0 0";
        let expected = Stat { parent: 7, ticks: 123, ticks_of_ended: 11 };
        assert_eq!(Stat::read(text), Some(expected));
    }

    #[test]
    fn a_listening_port_is_found_among_others() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1628 00000000:0000 0A 0:0 0:0 0 0 0 777 1\n\
            1: 0100007F:1628 0100007F:9999 01 0:0 0:0 0 0 0 778 1\n\
            2: 0100007F:1538 00000000:0000 0A 0:0 0:0 0 0 0 779 1\n";
        assert_eq!(listening_inodes(table, 0x1628), [777]);
        assert!(listening_inodes(table, 80).is_empty());
    }

    #[test]
    fn we_see_ourselves() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(listener(port), Some(std::process::id()));
        // We are neither of the servers, and are not taken for one.
        assert!(Watched::listening(Role::Broker, port).is_none());
        let ourselves = Watched::ourselves();
        assert!(ourselves.cpu_time().is_some());
        assert!(ourselves.peak_bytes() >= ourselves.resident_bytes().map(|bytes| bytes / 2));
    }
}
