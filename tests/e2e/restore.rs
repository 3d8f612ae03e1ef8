//! pg_dump and a restore: definitions and rows come along, the log does not, and the status says so.

use crate::support::installation::run_to_end;
use crate::support::manifold;
use crate::support::wait::seconds;
use crate::world::{self, World};

#[test]
fn after_a_restore_the_status_says_what_to_do_and_a_resync_does_it() {
    let mut world = World::new();
    let mut acme = world.running("acme", 20);
    world.run("SELECT manifold.create_consumer('audit')");
    // What is in the log when the dump is made is in nobody's table yet.
    world.run("SELECT manifold.pause('acme', 'normalizer')");
    acme.load(20, 5);
    let sfid = acme.org.sfid(0).to_owned();
    assert_eq!(acme.connect.delete(&acme.lead, &[&sfid]), 1);
    assert!(world.count("manifold.change") > 0);

    let cluster = world::cluster();
    let copy = cluster.database();
    let dump = cluster.folder().join("dump.sql");
    run_to_end(cluster.program("pg_dump").arg(&world.database.name).arg("--file").arg(&dump));
    let stop = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"];
    run_to_end(cluster.program("psql").args(stop).arg(&copy.name).arg("--file").arg(&dump));
    let mut restored = World::reopen(cluster, &copy.name);
    for definitions in ["manifold.org", "manifold.entity", "manifold.mapping"] {
        assert_eq!(restored.count(definitions), 1, "{definitions}");
    }
    assert_eq!(restored.count("acme.lead"), 24);
    assert_eq!(restored.count("canonical.lead"), 20, "as they were");
    assert_eq!(restored.count("manifold.consumer"), 0, "its position would mean nothing here");
    for source in ["acme", "canonical"] {
        restored.await_status(source, "publisher", "in need of a resync", |status| {
            status.detail.contains(&format!("SELECT manifold.resync('{source}', 'lead')"))
        });
    }
    // The triggers are there, and their log begins anew.
    assert_eq!(restored.count("manifold.change"), 0);
    restored.run("SELECT manifold.resume('acme', 'normalizer')");
    restored.run("SELECT manifold.resync('acme'); SELECT manifold.resync('canonical')");
    manifold::settled(&mut restored.client, &["backfill", "normalizer"], seconds(60));
    assert_eq!(restored.count("canonical.lead"), 24);
    assert_eq!(restored.count(&format!("canonical.lead WHERE sfid = '{sfid}'")), 0);
    for source in ["acme", "canonical"] {
        restored.await_status(source, "publisher", "as it was", |status| status.state == "ok");
    }
}
