//! The example files are true, and what is wrong is said with its file, line and remedy.

use std::{fs, path::Path};

use super::{read_server, read_tenant, read_tenants};

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap()
}

fn tenant_text() -> String {
    example("tenant.example.toml").replace("{ env = \"BEFFROI_METZ_CLIENT_SECRET\" }", "{ value = \"secret\" }")
}

#[test]
fn the_examples_parse() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beffroi.toml");
    fs::write(&file, example("beffroi.example.toml")).unwrap();
    let server = read_server(&file).unwrap();
    assert_eq!(server.data_dir, folder.path().join("data"));
    let file = folder.path().join("metz.toml");
    fs::write(&file, tenant_text()).unwrap();
    let tenant = read_tenant(&file).unwrap();
    assert_eq!(tenant.all_hosts(), ["matrix.metz.example", "metz.example"]);
    tenant.auth_settings(false).check().unwrap();
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("metz.toml");
    let wrong = |from: &str, to: &str| {
        let text = tenant_text();
        assert!(text.contains(from), "{from}");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        read_tenant(&file).unwrap_err().to_string()
    };
    let cases = [
        ("support = ", "suport = ", "unknown field"),
        ("\"https://matrix.metz.example\"", "\"matrix.metz.example\"", "relative URL"),
        ("server_name = \"metz.example\"", "server_name = \"not a name\"", "server name"),
        ("\"21570463400010\"", "\"123\"", "14 digits"),
        ("{ value = \"secret\" }", "{ env = \"BEFFROI_NOT_THERE\" }", "BEFFROI_NOT_THERE"),
        ("{ value = \"secret\" }", "{ file = \"not-there\" }", "not-there"),
        ("{ value = \"secret\" }", "{ value = \"a\", file = \"b\" }", "exactly one"),
        ("default_room_version = \"12\"", "default_room_version = \"99\"", "99"),
        ("id_token_alg = \"RS256\"", "id_token_alg = \"none\"", "always signed"),
    ];
    for (from, to, expected) in cases {
        let error = wrong(from, to);
        let line = error.strip_prefix(&file.display().to_string()).and_then(|rest| rest.strip_prefix(':'));
        let line = line.and_then(|rest| rest.split(':').next()).and_then(|line| line.parse::<usize>().ok());
        assert!(line.is_some_and(|line| line > 1), "no line: {error}");
        assert!(error.contains(expected) && error.contains("; "), "{error}");
        assert!(!error.contains("secret\""), "a secret in: {error}");
    }
    let error = read_tenant(&folder.path().join("nobody.toml")).unwrap_err().to_string();
    assert!(error.contains("nobody.toml") && error.contains("beffroi init"), "{error}");
}

#[test]
fn two_towns_share_no_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), tenant_text()).unwrap();
    fs::write(folder.path().join("b.toml"), tenant_text()).unwrap();
    let error = read_tenants(folder.path()).unwrap_err().to_string();
    assert!(error.contains("b.toml") && error.contains("a.toml"), "{error}");
}

#[test]
fn a_server_without_a_listener_or_with_half_a_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beffroi.toml");
    let wrong = |text: &str| {
        fs::write(&file, text).unwrap();
        read_server(&file).unwrap_err().to_string()
    };
    assert!(wrong("data_dir = \"d\"\n").contains("nothing listens"));
    let half = "data_dir = \"d\"\n[[listen]]\naddress = \"127.0.0.1:1\"\ntls_key = \"k\"\n";
    assert!(wrong(half).contains("go together"));
    assert!(
        wrong("data_dir = \"d\"\ntrusted_proxies = [\"x\"]\n[[listen]]\naddress = \"127.0.0.1:1\"\n")
            .contains("network")
    );
    assert!(wrong("data_dir = \n").starts_with(&format!("{}:1:", file.display())));
}
