//! The exit codes of `bulla`: stable numbers with names. docs/src/exit-codes.md has a row for each, held to this list by a test.

macro_rules! exits {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Exit { $($(#[$doc])* $variant,)* }

        impl Exit {
            /// In the order of their numbers, as the page lists them.
            #[cfg(test)]
            pub const ALL: &[Exit] = &[$(Exit::$variant),*];

            pub const fn number(self) -> u8 {
                match self { $(Exit::$variant => $number),* }
            }

            /// As the page writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Exit::$variant => $name),* }
            }
        }
    };
}

exits! {
    /// It was done.
    Ok = 0, "ok";
    /// The server, or a check of this program, refused the request: asking again the same way gives the same answer.
    Refused = 1, "refused";
    /// The command line is wrong.
    Usage = 2, "usage";
    /// No server answers at the address.
    ServerUnreachable = 3, "server-unreachable";
    /// The configuration or a policy file is malformed.
    ConfigInvalid = 4, "config-invalid";
    /// The token is missing, not valid, or may not do this.
    NotAllowed = 5, "not-allowed";
    /// A file or directory cannot be read or written.
    File = 6, "file";
    /// The server cannot do it now; the same command may succeed later.
    TryAgain = 7, "try-again";
    /// Another process uses the data directory.
    StoreLocked = 8, "store-locked";
    /// An audit log or bundle does not verify.
    AuditTampered = 9, "audit-tampered";
    /// No toolchain for guests was found, and none could be installed.
    ToolchainMissing = 10, "toolchain-missing";
    /// The addon does not build.
    BuildFailed = 11, "build-failed";
    /// A case of `bulla test` failed, or there is none.
    TestsFailed = 12, "tests-failed";
    /// `bulla doctor` or `bulla check` found something.
    Findings = 13, "findings";
    /// The host or this program made a mistake.
    Internal = 70, "internal";
}

impl Exit {
    /// What a stable error code means for the caller's script.
    pub fn of(code: &str) -> Self {
        match code {
            "config-invalid" | "policy-invalid" | "store-not-durable" => Self::ConfigInvalid,
            "unauthenticated" | "forbidden" => Self::NotAllowed,
            "busy" | "unavailable" | "idempotency-in-flight" | "request-timeout" | "store-full" => {
                Self::TryAgain
            }
            "store-locked" => Self::StoreLocked,
            "store-unwritable" => Self::File,
            "audit-tampered" => Self::AuditTampered,
            "toolchain-missing" => Self::ToolchainMissing,
            "scan-found" => Self::Findings,
            "build-failed" => Self::BuildFailed,
            "internal" | "store-corrupt" => Self::Internal,
            _ => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_exactly_these() {
        let page = include_str!("../../../docs/src/exit-codes.md");
        let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
        let expected: Vec<_> =
            Exit::ALL.iter().map(|exit| format!("| {} | `{}` |", exit.number(), exit.name())).collect();
        assert_eq!(rows.len(), expected.len(), "one row an exit code");
        for (row, expected) in rows.iter().zip(&expected) {
            assert!(row.starts_with(expected), "`{row}` is not the row of `{expected}`");
        }
    }

    #[test]
    fn numbers_and_names_are_unique() {
        for (at, exit) in Exit::ALL.iter().enumerate() {
            for other in &Exit::ALL[at + 1..] {
                assert!(exit.number() < other.number() && exit.name() != other.name());
            }
        }
    }

    #[test]
    fn codes_that_name_an_exit_code_lead_to_it() {
        for exit in Exit::ALL {
            if bulla_base::codes::find(exit.name()).is_some() {
                assert_eq!(Exit::of(exit.name()), *exit);
            }
        }
        assert_eq!(Exit::of("denied"), Exit::Refused);
    }
}
