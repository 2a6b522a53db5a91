//! The keys of `[policy.NAME]` and `[defaults]`.

use crate::config::raw::{Flag, List, Name, Span, Sub, Text, table};
use crate::identity::{AccountName, Assurance, FactorName, Group};
use crate::policy::condition::Days;
use http::Method;
use ipnet::IpNet;
use jiff::civil;
use jiff::tz::TimeZone;

table! {
    /// Who may pass. Every condition that is given must hold. `mfa` and `open` are built in: a session with two kinds
    /// of factor, and everyone.
    Policy {
        /// A policy whose conditions hold here too. This one may only be stricter; its `groups` are needed as well.
        extends: Text<Name>, optional, r#""staff""#;
        /// How strongly the session must be proved: `none`, `one-factor`, `mfa` or `phishing-resistant`. If it is not
        /// given: as in the policy that is extended, else `mfa`.
        require: Text<Assurance>, optional, r#""mfa""#;
        /// No proof that `require` needs may be older than this.
        max_age: Span, optional, r#""12h""#;
        /// One of these factors must be among the proofs that `require` counts.
        factors: List<Text<FactorName>>, optional, r#"["passkey"]"#;
        /// Proofs of these factors count for nothing here.
        refuse_factors: List<Text<FactorName>>, optional, r#"["message"]"#;
        /// Only programs pass, and only those that prove with every request a key that their token is bound to (DPoP, RFC
        /// 9449): a stolen token is of no use. No browser does.
        bound: Flag, optional, "true";
        /// The account must be in any of these groups. Beside `service_accounts`, an empty list lets no person pass.
        groups: List<Text<Group>>, optional, r#"["staff"]"#;
        /// Programs that may pass: to a service account in this list, `require`, `factors` and `groups` do not apply.
        /// People pass by the rest of the policy; `groups = []` keeps them all out.
        service_accounts: List<Text<AccountName>>, optional, r#"["ci"]"#;
        /// The request must come from any of these networks.
        networks: List<Text<IpNet>>, optional, r#"["10.0.0.0/8"]"#;
        /// The request must use any of these methods; `GET` includes `HEAD`.
        methods: List<Text<Method>>, optional, r#"["GET", "POST"]"#;
        /// The request must be made within these hours.
        hours: Sub<Hours>, optional, r#"{ days = "mon-fri", from = "07:00", to = "19:00", zone = "Europe/Berlin" }"#;
    }
}

table! {
    /// Hours of the week. If `to` is before `from` the window runs over midnight and counts to the day it began on.
    Hours {
        /// On these days.
        days: Text<Days>, required, r#""mon-fri""#;
        /// From this time of day.
        from: Text<civil::Time>, required, r#""07:00""#;
        /// Until before this time of day.
        to: Text<civil::Time>, required, r#""19:00""#;
        /// In this time zone, by its name in the IANA database.
        zone: Text<TimeZone>, required, r#""Europe/Berlin""#;
    }
}

table! {
    /// What stands in where a route says nothing.
    Defaults {
        /// The policy of routes that name none; it must need a session. The built-in `mfa` if it is not given.
        policy: Text<Name>, optional, r#""staff""#;
    }
}
