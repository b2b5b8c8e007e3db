//! What packages carry is what the sources say.

use std::process::Command;

use crate::tree::{read, root};

/// The fields of a struct of the configuration.
fn keys(source: &str, table: &str) -> Vec<String> {
    let text = read(source);
    let (_, body) = text.split_once(&format!("struct {table} {{")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let fields = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let fields = fields.filter_map(|line| line.trim_start_matches("pub(crate) ").split_once(": Option<"));
    fields.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_setting_stands_in_the_manual() {
    let manual = read("daemon/packaging/aa-sensord.toml.5");
    let mut looked_at = 0;
    for (source, table) in [
        ("daemon/sensord/src/settings.rs", "SensorTable"),
        ("daemon/gateway/src/config.rs", "GatewayTable"),
        ("daemon/courier/src/config.rs", "AlertTable"),
    ] {
        for key in keys(source, table) {
            let named = manual.lines().any(|line| {
                line.starts_with(".BR ")
                    && line
                        .split(|letter: char| !(letter == '_' || letter.is_alphanumeric()))
                        .any(|word| word == key)
            });
            assert!(named, "`{key}` of {source} is not in aa-sensord.toml.5");
            looked_at += 1;
        }
    }
    assert!(looked_at >= 16, "only {looked_at} keys found");
}

#[test]
fn scripts_of_packages_are_scripts() {
    for (shell, script) in [
        ("sh", "daemon/packaging/deb/postinst"),
        ("sh", "daemon/packaging/deb/prerm"),
        ("sh", "daemon/packaging/deb/postrm"),
        ("bash", "daemon/packaging/build"),
        ("bash", "vmtest/packages/run"),
        ("bash", "vmtest/packages/rebuild"),
        ("bash", "vmtest/packages/guest.sh"),
    ] {
        let parsed = Command::new(shell).arg("-n").arg(root().join(script)).output().unwrap();
        assert!(
            parsed.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&parsed.stderr)
        );
    }
}

#[test]
fn only_purge_deletes_what_was_recorded() {
    for script in ["postinst", "prerm"] {
        assert!(
            !read(&format!("daemon/packaging/deb/{script}")).contains("rm -r"),
            "{script}"
        );
    }
    let postrm = read("daemon/packaging/deb/postrm");
    let (before, _) = postrm.split_once("\npurge)").unwrap();
    let deleted: Vec<&str> = before.lines().filter(|line| line.trim().starts_with("rm ")).collect();
    assert_eq!(deleted, ["    rm -rf /run/aa-sensord"]);
    let spec = read("daemon/packaging/rpm/aa-sensord.spec");
    let deleted: Vec<&str> = spec.lines().filter(|line| line.trim().starts_with("rm ")).collect();
    assert_eq!(deleted, ["    rm -rf /run/aa-sensord"]);
}

#[test]
fn what_only_tests_need_is_where_packages_leave_it_out() {
    let manifest = read("daemon/packaging/install.manifest");
    let tests = manifest
        .lines()
        .filter(|line| line.starts_with("target/aa-guest-test "));
    assert!(tests.clone().count() == 1 && tests.into_iter().all(|line| line.contains("/tests/")));
    assert!(read("daemon/packaging/build").contains("[[ $dest == */tests/* ]] && continue"));
}
