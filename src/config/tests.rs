//! The example files are true, and what is wrong is said with its file, line and remedy.

use std::{fs, path::Path};

use super::{read_server, read_tenant, read_tenants};

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)).unwrap()
}

fn tenant_text() -> String {
    example("tenant.example.toml").replace("{ env = \"BEFFROI_METZ_CLIENT_SECRET\" }", "{ value = \"secret\" }")
}

/// The text with the block that begins with this line, up to the next empty one, no comment any more.
fn uncommented(text: &str, first: &str) -> String {
    let mut is_inside = false;
    let line = |line: &str| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        is_inside = bare == first || is_inside && !line.is_empty();
        if is_inside { bare.to_owned() } else { line.to_owned() }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_parse() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beffroi.toml");
    fs::write(&file, example("beffroi.example.toml")).unwrap();
    let server = read_server(&file).unwrap();
    assert_eq!(server.data_dir, folder.path().join("data"));
    // What the example has in comments is true as well.
    fs::write(folder.path().join("prefecture-roots.pem"), "").unwrap();
    fs::write(&file, uncommented(&example("beffroi.example.toml"), "[[federation.server]]")).unwrap();
    let pinned = &read_server(&file).unwrap().federation.settings().servers[0];
    assert_eq!((pinned.pins.len(), pinned.verify_keys.len()), (1, 1));
    let file = folder.path().join("metz.toml");
    fs::write(&file, tenant_text()).unwrap();
    let tenant = read_tenant(&file).unwrap();
    assert_eq!(tenant.all_hosts(), ["matrix.metz.example", "metz.example"]);
    assert_eq!(tenant.federation_settings().delegate, "matrix.metz.example:443");
    assert!(!tenant.federation.allowlist().allows("nancy.example"), "closed unless it says otherwise");
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
        ("allow = []", "allow = [\"*\"]", "name of servers"),
        ("notaries = []", "notaries = [\"other.example\"]", "not among the servers"),
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

#[test]
fn what_is_wrong_about_other_servers_is_said_with_its_line_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beffroi.toml");
    let text = uncommented(&example("beffroi.example.toml"), "[[federation.server]]");
    fs::write(folder.path().join("prefecture-roots.pem"), "").unwrap();
    let cases = [
        ("networks = []", "networks = [\"10.0.0.0/99\"]", "no network"),
        ("\"prefecture-roots.pem\"", "\"not-there.pem\"", "not-there.pem"),
        (
            "endpoint = \"matrix.prefecture.example:8448\"",
            "endpoint = \"matrix.prefecture.example\"",
            "no host and port",
        ),
        ("endpoint = \"matrix.prefecture.example:8448\"", "endpoint = \"10.1.2.3:8448\"", "add its network"),
        ("endpoint = \"matrix.prefecture.example:8448\"", "", "add endpoint"),
        ("sha256/AAAA", "sha256/AA", "no pin"),
        ("\"ed25519:a_ABCD\"", "\"rsa:a_ABCD\"", "no signing key"),
        (
            "Noi6WqcDj0QmPxCNQqgezwTlBKrfqehY1u2FyWP9uYw",
            "l/O9hxMVKB6Lg+3Hqf0FQQZhVESQcMzbPN1Cz2nM3og",
            "no signing key",
        ),
        ("name = \"prefecture.example\"", "name = \"not a name\"", "server name"),
    ];
    for (from, to, expected) in cases {
        assert!(text.contains(from), "{from}");
        fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let error = read_server(&file).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("; "), "{from}: {error}");
    }
    let private = text.replacen("matrix.prefecture.example:8448", "10.1.2.3:8448", 1);
    fs::write(&file, private.replacen("networks = []", "networks = [\"10.0.0.0/8\"]", 1)).unwrap();
    read_server(&file).unwrap();
}
