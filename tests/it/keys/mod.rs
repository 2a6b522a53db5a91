//! Every key of the configuration shows its effect through a running gateway; a key without a story fails here.

mod certificates;
mod connections;
mod members;
mod passkeys;
mod peer;
mod people;
mod policies;
mod process;
mod programs;
mod routes;
mod sent;

use crate::rig::{Raw, Rig, exchange};
use std::collections::BTreeSet;

/// `configuration` with more keys below one of its headers.
fn with(configuration: &str, header: &str, keys: &str) -> String {
    assert!(configuration.contains(header), "there is no {header}");
    configuration.replacen(header, &format!("{header}\n{keys}"), 1)
}

/// Asks for `target` on `host`, with further header lines, and without a session.
async fn ask(rig: &Rig, (method, host, target): (&str, &str, &str), fields: &[&str]) -> Raw {
    exchange(rig.address(), &request((method, host, target), fields)).await
}

/// `GET target` on `app.localhost`.
async fn get(rig: &Rig, target: &str) -> Raw {
    ask(rig, ("GET", "app.localhost", target), &[]).await
}

fn request((method, host, target): (&str, &str, &str), fields: &[&str]) -> Vec<u8> {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes()
}

/// Each key, and the test that shows what it does.
const SHOWN: &[(&str, &str)] = &[
    ("include", "an_included_file_brings_a_route"),
    ("gateway.state", "store_and_keys_lie_in_the_configured_directory"),
    ("gateway.threads", "as_many_threads_work_as_are_configured"),
    ("gateway.trusted_proxies", "only_a_trusted_proxy_is_believed_about_the_client"),
    ("gateway.drain", "a_stop_takes_no_longer_than_the_drain_allows"),
    ("listen.address", "every_listener_listens_at_its_address"),
    ("listen.tls", "a_tls_listener_shows_the_configured_certificate"),
    ("listen.redirect_to_https", "a_redirecting_listener_only_redirects"),
    ("certificate.cert", "a_tls_listener_shows_the_configured_certificate"),
    ("certificate.key", "a_tls_listener_shows_the_configured_certificate"),
    ("certificate.key.file", "a_tls_listener_shows_the_configured_certificate"),
    ("certificate.key.env", "a_key_may_be_an_environment_variable"),
    ("certificate.key.credential", "a_key_may_be_a_credential"),
    ("limits.connections", "no_more_connections_are_open_than_allowed"),
    ("limits.per_address", "one_address_has_no_more_connections_than_allowed"),
    ("limits.handshake", "a_handshake_that_never_comes_ends_at_its_deadline"),
    ("limits.header_deadline", "a_header_that_never_ends_is_answered_at_its_deadline"),
    ("limits.header_size", "a_longer_header_than_allowed_is_refused"),
    ("limits.idle", "a_connection_without_a_request_is_closed"),
    ("limits.requests", "a_connection_closes_after_as_many_requests_as_allowed"),
    ("admin.address", "the_operator_is_answered_at_the_configured_address"),
    ("admin.socket", "the_operator_is_answered_on_the_configured_socket"),
    ("log.access", "requests_leave_lines_only_if_they_shall"),
    ("log.level", "less_important_lines_than_configured_are_not_logged"),
    ("portal.origin", "the_portal_is_at_its_origin_and_has_its_name"),
    ("portal.name", "the_portal_is_at_its_origin_and_has_its_name"),
    ("oauth.clients", "only_programs_of_the_configured_names_are_taken"),
    ("oauth.access", "an_access_token_is_good_for_as_long_as_configured"),
    ("oauth.device_code", "a_device_may_be_approved_for_as_long_as_configured"),
    ("session.idle", "an_unused_session_ends"),
    ("session.absolute", "a_session_ends_however_much_it_is_used"),
    ("session.per_account", "one_session_more_than_configured_ends_the_one_used_longest_ago"),
    ("factor.password.min_length", "a_shorter_password_than_configured_is_refused"),
    ("factor.totp.issuer", "the_authenticator_is_told_the_issuer"),
    ("factor.message.webhook.url", "codes_go_to_the_configured_webhook_signed_with_its_token"),
    ("factor.message.webhook.token", "codes_go_to_the_configured_webhook_signed_with_its_token"),
    ("factor.message.webhook.token.file", "codes_go_to_the_configured_webhook_signed_with_its_token"),
    ("factor.message.webhook.token.env", "a_key_may_be_an_environment_variable"),
    ("factor.message.webhook.token.credential", "a_key_may_be_a_credential"),
    ("factor.message.smtp.server", "mail_goes_through_the_configured_server"),
    ("factor.message.smtp.tls", "mail_is_protected_as_configured"),
    ("factor.message.smtp.from", "mail_goes_through_the_configured_server"),
    ("factor.message.smtp.user", "mail_goes_through_the_configured_server"),
    ("factor.message.smtp.password", "mail_goes_through_the_configured_server"),
    ("factor.message.smtp.password.file", "mail_goes_through_the_configured_server"),
    ("factor.message.smtp.password.env", "a_key_may_be_an_environment_variable"),
    ("factor.message.smtp.password.credential", "a_key_may_be_a_credential"),
    ("factor.message.channels", "codes_go_only_by_the_configured_channels"),
    ("factor.message.digits", "codes_are_as_long_and_worded_as_configured"),
    ("factor.message.per_source", "so_many_codes_are_sent_for_one_source_as_configured"),
    ("factor.message.text", "codes_are_as_long_and_worded_as_configured"),
    ("factor.message.subject", "codes_are_as_long_and_worded_as_configured"),
    ("notice.webhook.url", "news_go_to_the_configured_webhook"),
    ("notice.webhook.token", "news_go_to_the_configured_webhook"),
    ("notice.webhook.token.file", "news_go_to_the_configured_webhook"),
    ("notice.webhook.token.env", "a_key_may_be_an_environment_variable"),
    ("notice.webhook.token.credential", "a_key_may_be_a_credential"),
    ("factor.passkey.rp_id", "passkeys_are_bound_to_the_configured_domain"),
    ("factor.passkey.synced", "a_passkey_that_is_copied_between_devices_counts_only_if_it_may"),
    ("factor.passkey.models", "only_passkeys_of_the_configured_models_count"),
    ("factor.passkey.refuse_models", "a_passkey_of_a_refused_model_does_not_count"),
    ("factor.passkey.attestation", "only_authenticators_whose_maker_is_trusted_count"),
    ("defaults.policy", "a_route_that_says_nothing_gets_the_default_policy"),
    ("policy.NAME.extends", "an_extending_policy_needs_what_it_extends_as_well"),
    ("policy.NAME.require", "a_policy_needs_the_level_it_names"),
    ("policy.NAME.max_age", "a_policy_needs_proofs_of_the_age_it_names"),
    ("policy.NAME.factors", "a_policy_needs_a_proof_of_one_of_the_factors_it_names"),
    ("policy.NAME.refuse_factors", "a_policy_counts_no_proof_of_a_factor_it_refuses"),
    (
        "listen.client_certificates",
        "a_program_with_a_client_certificate_gets_a_token_that_is_good_with_that_certificate_alone",
    ),
    ("policy.NAME.service_accounts", "a_program_with_a_key_is_admitted_where_a_policy_names_it_and_nowhere_else"),
    ("policy.NAME.bound", "a_policy_may_admit_only_programs_that_prove_their_key"),
    ("policy.NAME.groups", "a_policy_admits_only_its_groups"),
    ("policy.NAME.networks", "a_policy_admits_only_its_networks"),
    ("policy.NAME.methods", "a_policy_admits_only_its_methods"),
    ("policy.NAME.hours", "a_policy_admits_only_within_its_hours"),
    ("policy.NAME.hours.days", "a_policy_admits_only_on_its_days"),
    ("policy.NAME.hours.from", "a_policy_admits_only_within_its_hours"),
    ("policy.NAME.hours.to", "a_policy_admits_only_within_its_hours"),
    ("policy.NAME.hours.zone", "hours_are_those_of_their_zone"),
    ("pool.NAME.members", "members_take_turns"),
    ("pool.NAME.members.address", "a_member_gets_its_share"),
    ("pool.NAME.members.weight", "a_member_gets_its_share"),
    ("pool.NAME.balance", "the_less_busy_member_is_chosen"),
    ("pool.NAME.health", "a_member_whose_probe_fails_gets_nothing"),
    ("pool.NAME.health.path", "a_member_whose_probe_fails_gets_nothing"),
    ("pool.NAME.health.tcp", "a_member_that_takes_no_connection_is_unhealthy"),
    ("pool.NAME.health.host", "a_probe_names_its_host"),
    ("pool.NAME.health.every", "probes_come_as_often_as_configured"),
    ("pool.NAME.health.timeout", "a_probe_takes_no_longer_than_allowed"),
    ("pool.NAME.health.rise", "an_unhealthy_member_needs_good_answers_in_a_row"),
    ("pool.NAME.health.fall", "a_healthy_member_may_fail_probes_in_a_row"),
    ("pool.NAME.timeouts", "a_member_that_says_nothing_is_given_up"),
    ("pool.NAME.timeouts.connect", "a_member_that_does_not_take_a_connection_is_given_up"),
    ("pool.NAME.timeouts.read", "a_member_that_says_nothing_is_given_up"),
    ("pool.NAME.timeouts.write", "a_member_that_reads_nothing_is_given_up"),
    ("pool.NAME.timeouts.idle", "an_unused_connection_to_a_member_is_closed"),
    ("pool.NAME.eject", "a_member_that_cannot_be_reached_is_left_out_for_a_while"),
    ("pool.NAME.eject.failures", "a_member_that_cannot_be_reached_is_left_out_for_a_while"),
    ("pool.NAME.eject.time", "a_member_that_cannot_be_reached_is_left_out_for_a_while"),
    ("pool.NAME.retries", "another_member_is_tried_as_often_as_allowed"),
    ("route.name", "a_route_is_counted_under_its_name"),
    ("route.host", "an_exact_host_goes_before_a_wildcard"),
    ("route.path", "a_longer_path_goes_before_a_shorter_one"),
    ("route.path_regex", "a_path_may_be_a_regular_expression"),
    ("route.methods", "a_route_may_be_for_some_methods"),
    ("route.headers", "a_route_may_be_for_some_headers"),
    ("route.pool", "a_route_leads_to_its_pool"),
    ("route.policy", "a_route_is_guarded_by_its_policy"),
];

/// Where those tests are.
const STORIES: [&str; 12] = [
    include_str!("certificates.rs"),
    include_str!("connections.rs"),
    include_str!("members.rs"),
    include_str!("passkeys.rs"),
    include_str!("people.rs"),
    include_str!("policies.rs"),
    include_str!("process.rs"),
    include_str!("programs.rs"),
    include_str!("routes.rs"),
    include_str!("sent.rs"),
    include_str!("../binary/mod.rs"),
    include_str!("../oauth/service.rs"),
];

/// The keys of the reference, each behind the table it is in.
fn keys_of_the_reference() -> BTreeSet<String> {
    let (mut keys, mut table) = (BTreeSet::new(), String::new());
    for line in portcullis::config::reference().lines() {
        if let Some(header) = line.strip_prefix("## ") {
            let name = header.trim_matches('`').split(" =").next().unwrap_or_default();
            let name = name.trim_matches(['[', ']']);
            table = if name == "Top level" { String::new() } else { format!("{name}.") };
        } else if let Some(row) = line.strip_prefix("| `") {
            keys.insert(format!("{table}{}", row.split('`').next().unwrap_or_default()));
        }
    }
    keys
}

#[test]
fn every_key_has_a_test_that_shows_what_it_does() {
    let shown: BTreeSet<String> = SHOWN.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(keys_of_the_reference(), shown);
    for (key, test) in SHOWN {
        let defined = format!("fn {test}()");
        assert!(STORIES.iter().any(|story| story.contains(&defined)), "{key}: there is no test {test}");
    }
}
