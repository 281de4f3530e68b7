//! The house rules that a compiler does not hold: who may import whom (docs/ARCHITECTURE.md), how long a file is, what it is
//! called, and where time, chance, network and tenants come from. Each rule is a function of text, tried on a violation below.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A crate, and what it may depend on of ours and of ruma's. Dev-dependencies are free.
struct Place {
    name: &'static str,
    ours: &'static [&'static str],
    ruma: &'static [&'static str],
}

/// The crate graph, ring by ring. Crates that are not written yet have their place all the same.
const GRAPH: &[Place] = &[
    Place { name: "kernel", ours: &[], ruma: &["common"] },
    Place { name: "store", ours: &["kernel"], ruma: &["common"] },
    Place { name: "web", ours: &["kernel"], ruma: &["common"] },
    Place { name: "events", ours: &["kernel"], ruma: &["common", "events", "signatures", "state-res"] },
    Place { name: "policy", ours: &["kernel"], ruma: &[] },
    Place { name: "rooms", ours: &["kernel", "store", "events", "policy"], ruma: &["common"] },
    Place { name: "accounts", ours: &["kernel", "store", "policy"], ruma: &["common"] },
    Place { name: "media", ours: &["kernel", "store"], ruma: &[] },
    Place { name: "directory", ours: &["kernel", "store", "policy", "rooms", "accounts"], ruma: &[] },
    Place {
        name: "client",
        ours: &["kernel", "store", "policy", "rooms", "accounts", "media", "directory", "web"],
        // ruma-events only for the types of client-api's own fields, which it does not export again.
        ruma: &["common", "events", "client-api", "push-gateway-api"],
    },
    Place {
        name: "federation",
        ours: &["kernel", "store", "events", "policy", "rooms", "accounts", "media", "directory", "web"],
        ruma: &["common", "federation-api"],
    },
    Place { name: "auth", ours: &["kernel", "store", "policy", "accounts", "web"], ruma: &[] },
];

const LINES_MAX: usize = 500;

/// Names that say nothing, so that everything ends up there.
const VAGUE: &[&str] = &["mod", "util", "utils", "helper", "helpers", "common", "manager", "managers"];

/// Calls that only some files may make: what, where (besides tests), why.
const RESERVED: &[(&str, &[&str], &str)] = &[
    ("Scope::new(", &["src/tenants.rs"], "a tenant's data is reached by the scope that src/tenants.rs made"),
    ("SystemTime::now", &["crates/kernel/src/clock.rs"], "time is an argument: take a kernel::Clock"),
    ("rand::", &["crates/kernel/src/random.rs"], "chance is an argument: take a kernel::Random"),
    ("new_random", &[], "chance is an argument: take a kernel::Random"),
    ("SeededRandom", &["crates/kernel/src/random.rs"], "secrets come from the operating system's generator"),
    ("reqwest::Client::", &["crates/web/src/outbound.rs"], "every outbound request goes through web::Outbound"),
    ("ClientBuilder::new", &["crates/web/src/outbound.rs"], "every outbound request goes through web::Outbound"),
    (concat!("todo", "!("), &[], "a stub is not done"),
    (concat!("unimplemented", "!("), &[], "a stub is not done"),
];

/// What a crate's manifest depends on against the graph.
fn graph_violations(name: &str, manifest: &str) -> Vec<String> {
    let Some(place) = GRAPH.iter().find(|place| place.name == name) else {
        return vec![format!("{name}: has no place in the crate graph")];
    };
    let manifest: toml::Table = match manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let ours: BTreeSet<_> = GRAPH.iter().map(|place| place.name).collect();
    let allowed = |dependency: &str| match dependency.strip_prefix("ruma-") {
        Some(part) => place.ruma.contains(&part),
        None => dependency != "ruma" && (!ours.contains(dependency) || place.ours.contains(&dependency)),
    };
    let dependencies = dependencies(&manifest);
    let forbidden = dependencies.iter().filter(|dependency| !allowed(dependency));
    forbidden.map(|dependency| format!("{name}: may not depend on {dependency}")).collect()
}

/// The names of the packages that a manifest depends on, tests' own excepted, for any target and under any other name.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    let sections = targets.filter_map(toml::Value::as_table).chain([manifest]);
    let tables = sections.flat_map(|section| [section.get("dependencies"), section.get("build-dependencies")]);
    let entries = tables.flatten().filter_map(toml::Value::as_table).flatten();
    let package = |(name, value): (&String, &toml::Value)| {
        value.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
    };
    entries.map(package).collect()
}

/// What is wrong with a file, by its path in the repository and its text.
fn file_violations(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{path}: {lines} lines, of {LINES_MAX} at most"));
    }
    if !text.starts_with("//!") {
        found.push(format!("{path}: the first line does not say what it is for"));
    }
    let named = Path::new(path).with_extension("");
    if let Some(part) = named.iter().filter_map(|part| part.to_str()).find(|part| is_vague(part)) {
        found.push(format!("{path}: {part} says nothing"));
    }
    let modules = text.lines().filter_map(module_name).filter(|name| is_vague(name));
    found.extend(modules.map(|name| format!("{path}: a module called {name} says nothing")));
    if !is_test(path) {
        found.extend(reserved_violations(path, production(text)));
    }
    found
}

fn reserved_violations(path: &str, text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let reserved = RESERVED.iter().filter(|(_, places, _)| !places.contains(&path));
    let broken = reserved.filter(|(call, _, _)| code.iter().any(|line| line.contains(call)));
    broken.map(|(call, _, why)| format!("{path}: {call} is not for here: {why}")).collect()
}

fn is_vague(name: &str) -> bool {
    name.split('_').any(|word| VAGUE.contains(&word))
}

/// The name that a line gives to a module.
fn module_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
    rest.strip_prefix("mod ")?.split([';', ' ']).next()
}

/// Whether a file is there for tests only. `conformance` is the store's suite that every engine passes.
fn is_test(path: &str) -> bool {
    const PARTS: &[&str] = &["tests", "testing", "benches", "conformance"];
    Path::new(path).with_extension("").iter().any(|part| PARTS.iter().any(|test| part == *test))
}

/// A file without its own tests, which stand last.
fn production(text: &str) -> &str {
    text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(before, _)| before)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file of the repository, but for what is generated or fetched.
fn sources(folder: &Path, found: &mut BTreeMap<String, String>) {
    const LEFT_OUT: &[&str] = &["target", "node_modules", "dist", "fixtures", "generated"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !LEFT_OUT.contains(&name) && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.insert(relative, fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_crate_graph_is_as_designed() {
    let mut broken = Vec::new();
    let mut crates = 0;
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        broken.extend(graph_violations(name, &manifest));
        crates += 1;
    }
    assert!(crates > 0, "no crates found");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_files_are_tidy() {
    let mut files = BTreeMap::new();
    sources(&root(), &mut files);
    assert!(files.contains_key("tests/tidy.rs"), "no files found");
    let broken: Vec<_> = files.iter().flat_map(|(path, text)| file_violations(path, text)).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// The rules of the crate graph, tried on manifests.
mod graph {
    use super::*;

    #[test]
    fn an_owner_may_not_import_an_owner_under_any_name() {
        let plain = "[dependencies]\nkernel.workspace = true\naccounts.workspace = true";
        assert_eq!(graph_violations("rooms", plain), ["rooms: may not depend on accounts"]);
        let renamed = "[dependencies]\npeople = { path = \"../accounts\", package = \"accounts\" }";
        assert_eq!(graph_violations("rooms", renamed), ["rooms: may not depend on accounts"]);
        let target = "[target.'cfg(unix)'.dependencies]\naccounts.workspace = true";
        assert_eq!(graph_violations("rooms", target), ["rooms: may not depend on accounts"]);
        let table = "[dependencies.federation]\nworkspace = true";
        assert_eq!(graph_violations("rooms", table), ["rooms: may not depend on federation"]);
    }

    #[test]
    fn ruma_is_for_those_who_may() {
        assert_eq!(graph_violations("policy", "[dependencies]\nruma-common = \"1\"").len(), 1);
        assert_eq!(graph_violations("rooms", "[dependencies]\nruma-events = \"1\"").len(), 1);
        assert_eq!(graph_violations("events", "[dependencies]\nruma = \"1\"").len(), 1);
        assert!(graph_violations("events", "[dependencies]\nruma-events = \"1\"").is_empty());
    }

    #[test]
    fn tests_and_the_rest_of_the_world_are_free() {
        let manifest = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\naccounts.workspace = true";
        assert!(graph_violations("rooms", manifest).is_empty());
        assert_eq!(graph_violations("surprise", "").len(), 1);
    }

    #[test]
    fn no_crate_reaches_a_later_ring() {
        for (index, place) in GRAPH.iter().enumerate() {
            let earlier: BTreeSet<_> = GRAPH.iter().take(index).map(|place| place.name).collect();
            assert!(place.ours.iter().all(|name| earlier.contains(name)), "{}", place.name);
        }
    }
}

/// The rules of files, tried on texts.
mod files {
    use super::*;

    const HEAD: &str = "//! What it is for.\n";

    #[test]
    fn a_file_has_500_lines_and_a_first_one() {
        let full = HEAD.to_owned() + &"// line\n".repeat(LINES_MAX - 1);
        assert!(file_violations("src/a.rs", &full).is_empty());
        assert_eq!(file_violations("src/a.rs", &(full + "// line\n")).len(), 1);
        assert_eq!(file_violations("tests/a.rs", "use std::fs;\n").len(), 1);
    }

    #[test]
    fn names_mean_something() {
        for path in ["src/a/mod.rs", "src/utils.rs", "src/common/a.rs", "crates/web/src/room_manager.rs"] {
            assert_eq!(file_violations(path, HEAD).len(), 1, "{path}");
        }
        assert_eq!(file_violations("src/a.rs", &format!("{HEAD}pub(crate) mod helpers {{\n")).len(), 1);
        assert!(file_violations("src/a.rs", &format!("{HEAD}mod commonplace;\n")).is_empty());
    }

    #[test]
    fn reserved_calls_stay_where_they_are_allowed() {
        let scope = format!("{HEAD}fn a() {{\n    Scope::new(store, tenant);\n}}\n");
        assert_eq!(file_violations("crates/rooms/src/a.rs", &scope).len(), 1);
        assert!(file_violations("src/tenants.rs", &scope).is_empty());
        assert!(file_violations("crates/rooms/src/a/tests.rs", &scope).is_empty());
        assert!(file_violations("crates/rooms/src/testing.rs", &scope).is_empty());

        let tested = format!("{HEAD}#[cfg(test)]\nmod tests {{\n    Scope::new(store, tenant);\n}}\n");
        assert!(file_violations("crates/rooms/src/a.rs", &tested).is_empty());
        let said = format!("{HEAD}// Not SystemTime::now: see kernel::Clock.\n");
        assert!(file_violations("crates/rooms/src/a.rs", &said).is_empty());
        for call in ["SystemTime::now()", "reqwest::Client::new()", concat!("todo", "!()")] {
            assert_eq!(file_violations("src/a.rs", &format!("{HEAD}{call}\n")).len(), 1, "{call}");
        }
    }
}
