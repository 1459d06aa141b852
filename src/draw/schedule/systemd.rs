//! A service and its timer, for systemd.

use super::{File, Schedule, comment, needs};

/// Where units of an administrator belong.
const UNITS: &str = "/etc/systemd/system";

pub(super) fn files(schedule: &Schedule) -> Vec<File> {
    let file = |kind: &str, text: String| {
        let name = format!("{}.{kind}", schedule.name);
        File { place: format!("{UNITS}/{name}"), name, text }
    };
    vec![file("service", service(schedule)), file("timer", timer(schedule))]
}

fn service(schedule: &Schedule) -> String {
    let environment = format!("/etc/trueup/{}.env", schedule.name);
    let command: Vec<String> =
        std::iter::once(&schedule.program).chain(&schedule.arguments).map(|word| quoted(word)).collect();
    // What is not there is left out.
    let machine = schedule.machine.iter().map(|path| format!("-{path}"));
    let writes: Vec<String> =
        std::iter::once(schedule.directory.clone()).chain(machine).map(|path| path_word(&path)).collect();
    let mut notes = vec![format!("Put it beside {}.timer, then: systemctl enable --now {0}.timer", schedule.name)];
    notes.extend(needs(schedule, &format!("{environment}, of mode 600")));
    format!(
        "{}\
[Unit]
Description=Bring back what drifted of {}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={}
Group={}
WorkingDirectory={}
EnvironmentFile=-{environment}
ExecStart={}
# What was started again has to outlive this run.
KillMode=process
TimeoutStartSec=1h
UMask=0077
NoNewPrivileges=yes
PrivateMounts=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={}
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
",
        comment(&notes),
        specified(&schedule.stack),
        schedule.owner.0,
        schedule.owner.1,
        specified(&schedule.directory),
        command.join(" "),
        writes.join(" "),
    )
}

fn timer(schedule: &Schedule) -> String {
    let seconds = schedule.every.seconds();
    format!(
        "[Unit]
Description=Bring back what drifted of {}, again and again

[Timer]
OnBootSec=2min
OnUnitActiveSec={seconds}s
# Many of them shall not start at once.
RandomizedDelaySec={}s
AccuracySec=1s

[Install]
WantedBy=timers.target
",
        specified(&schedule.stack),
        seconds / 10
    )
}

/// A text in which `%` is no specifier.
fn specified(text: &str) -> String {
    text.replace('%', "%%")
}

/// A word of a command line: in quotes, with nothing in it that is expanded.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("\"{}\"", specified(word).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$"))
}

/// A path in a list of paths: `$` is nothing special there.
fn path_word(path: &str) -> String {
    quoted(path).replace("$$", "$")
}
