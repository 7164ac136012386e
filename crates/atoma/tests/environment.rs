//! The client from the environment: each case runs in a separate process, because the environment
//! belongs to the process.

use std::{env, process::Command};

const KEY: &str = "ATOMASDK_BEARER_AUTH";
const URL: &str = "ATOMASDK_SERVER_URL";

/// The result of `Client::from_env` in a process with these variables.
fn outcome(variables: &[(&str, &str)]) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "reports_on_its_environment", "--ignored", "--nocapture"])
        .env_remove(KEY)
        .env_remove(URL)
        .env_remove("REQUEST_METHOD")
        .env_remove("ATOMASDK_LOG")
        .env_remove("ATOMASDK_DEBUG")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let reported = output.split_once("outcome: ").unwrap().1;
    reported.lines().next().unwrap().to_owned()
}

#[test]
#[ignore = "runs in a separate process, which the other tests start"]
fn reports_on_its_environment() {
    let outcome = match atoma::Client::from_env() {
        Ok(client) => client.server_url(),
        Err(error) => format!("{}, {error}", error.is_config()),
    };
    println!("outcome: {outcome}");
}

#[test]
fn the_key_is_required() {
    for variables in [&[][..], &[(KEY, "")], &[(KEY, " ")], &[(URL, "http://localhost:1")]] {
        let outcome = outcome(variables);
        assert_eq!(outcome, format!("true, no API key: set the environment variable {KEY}"));
    }
}

#[test]
fn the_server_is_not() {
    let key = (KEY, "sk-test");
    for variables in [&[key][..], &[key, (URL, "")]] {
        // A machine without trusted certificates cannot create a client for an https:// server.
        let outcome = outcome(variables);
        assert!(
            outcome == "https://api.atoma.network" || outcome.contains("certificate"),
            "{outcome}"
        );
    }
    assert_eq!(outcome(&[key, (URL, "http://localhost:8000/v1/")]), "http://localhost:8000/v1");
}

#[test]
fn a_malformed_setting_is_named_but_not_shown() {
    for variables in [
        &[(KEY, "sk-canary\n")][..],
        &[(KEY, "sk-canary 1")],
        &[(KEY, "sk-canary"), (URL, "sk-canary")],
        &[(KEY, "sk-canary"), (URL, "http://far.away")],
    ] {
        let outcome = outcome(variables);
        assert!(outcome.starts_with("true, "), "{variables:?}: {outcome}");
        assert!(!outcome.contains("canary"), "{outcome}");
    }
}

/// A proxy in the environment is not an error, and the error for a malformed one hides its
/// password.
#[test]
fn proxies_of_the_environment() {
    let local = [(KEY, "sk-test"), (URL, "http://localhost:8000")];
    let with = |proxy| outcome(&[local[0], local[1], ("HTTPS_PROXY", proxy)]);
    assert_eq!(with("http://user:canary@127.0.0.1:9"), "http://localhost:8000");
    assert_eq!(with("http://user:canary@:::"), "http://localhost:8000", "it is not needed");
    let malformed = outcome(&[(KEY, "sk-test"), ("HTTPS_PROXY", "http://user:canary@:::")]);
    assert!(malformed.starts_with("true, ") && malformed.contains("HTTPS_PROXY"), "{malformed}");
    assert!(!malformed.contains("canary"), "{malformed}");
}

#[test]
fn the_log_level_is_read_when_the_client_is_built() {
    let local = [(KEY, "sk-test"), (URL, "http://localhost:8000")];
    let with = |level| outcome(&[local[0], local[1], ("ATOMASDK_LOG", level)]);
    assert_eq!(with("debug"), "http://localhost:8000");
    assert_eq!(with("sk-canary"), "true, ATOMASDK_LOG must be off, info or debug");
}
