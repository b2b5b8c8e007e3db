//! The whole service between a sensor, an upstream server and agents that are all of the test.

mod scene;

use std::time::Duration;

use aa_wire::resolver::{Bind, FromResolver, Looked, ToResolver};
use aa_wire::{AgentId, Generation, Slot};
use hickory_proto::op::ResponseCode;

use scene::{AGENT, Client, SLOT, Scene, Sensor};

use super::privileges;

const POLICY: &str = "{allow: [api.test:443, other.test:443]}";

fn bind(sensor: &mut Sensor) -> Bind {
    match sensor.hears() {
        FromResolver::Bind(bind) => bind,
        other => panic!("{other:?}"),
    }
}

fn looked(sensor: &mut Sensor) -> Looked {
    match sensor.hears() {
        FromResolver::Looked(looked) => looked,
        other => panic!("{other:?}"),
    }
}

/// Asks for a name, and the sensor binds it.
fn look_up(sensor: &mut Sensor, client: &Client, name: &str) -> Bind {
    client.ask(name);
    let request = bind(sensor);
    sensor.say(&ToResolver::Bound {
        id: request.id,
        bound: true,
    });
    assert_eq!(looked(sensor).name.as_str(), name);
    assert_eq!(client.reply().unwrap().answers.len(), 1);
    request
}

#[test]
fn an_answer_waits_for_its_binding_and_is_recorded_once_a_minute() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let client = sensor.client(AGENT);
    client.ask("api.test");
    let request = bind(&mut sensor);
    assert_eq!(
        (request.agent, request.generation, request.ttl_s),
        (AGENT, Generation(5), 120)
    );
    assert_eq!(request.addresses, [scene::address("api.test")]);
    assert_eq!(request.class, scene::class(POLICY, "api.test"));
    assert_eq!(client.reply(), None, "not before it is bound");
    sensor.say(&ToResolver::Bound {
        id: request.id,
        bound: true,
    });
    let told = looked(&mut sensor);
    assert_eq!(
        (told.agent, told.generation, told.name.as_str()),
        (AGENT, Generation(5), "api.test")
    );
    assert_eq!((told.rule, told.refused), (Some(0), None));
    assert_eq!(told.addresses, [scene::address("api.test")]);
    assert_eq!(client.reply().unwrap().answers.len(), 1);

    client.ask("api.test");
    let request = bind(&mut sensor);
    sensor.say(&ToResolver::Bound {
        id: request.id,
        bound: true,
    });
    assert!(client.reply().is_some());
    assert!(sensor.hears_nothing());
}

#[test]
fn what_the_sensor_does_not_bind_or_not_in_time_is_not_answered() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let client = sensor.client(AGENT);
    client.ask("api.test");
    let request = bind(&mut sensor);
    sensor.say(&ToResolver::Bound {
        id: request.id,
        bound: false,
    });
    let sentence = "the addresses could not be bound, so they are not told";
    let told = looked(&mut sensor);
    assert_eq!((told.refused.as_deref(), told.addresses.len()), (Some(sentence), 0));
    client.ask("other.test");
    let late = bind(&mut sensor);
    assert_eq!(
        looked(&mut sensor).refused.as_deref(),
        Some(sentence),
        "after two seconds"
    );
    sensor.say(&ToResolver::Bound {
        id: late.id,
        bound: true,
    });
    assert_eq!(client.reply(), None);
    // Neither was made, so neither is made again.
    sensor.policy(POLICY, 6, false);
    assert!(sensor.hears_nothing());
}

#[test]
fn an_unlisted_name_is_refused_and_recorded_and_never_bound() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let client = sensor.client(AGENT);
    client.ask("free.test");
    let told = looked(&mut sensor);
    assert_eq!(
        told.refused.as_deref(),
        Some("not looked up: no rule of net lists this name")
    );
    assert_eq!((told.rule, told.addresses.len()), (None, 0));
    assert_eq!(client.reply().unwrap().metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(scene.asked(), 0);
}

#[test]
fn who_is_no_agent_or_has_no_policy_for_hosts_gets_no_answer() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let stranger = sensor.stranger();
    stranger.ask("api.test");
    let unknown = sensor.client(AgentId(99));
    unknown.ask("api.test");
    let elsewhere = sensor.client(AgentId(8));
    sensor.say(&ToResolver::Agent {
        agent: AgentId(8),
        slot: Slot(7),
    });
    elsewhere.ask("api.test");
    let ended = sensor.client(AGENT);
    sensor.say(&ToResolver::AgentEnded { agent: AGENT });
    sensor.settle();
    ended.ask("api.test");
    for client in [stranger, unknown, elsewhere, ended] {
        assert_eq!(client.reply(), None);
    }
    assert_eq!(scene.asked(), 0);
}

#[test]
fn a_question_over_a_connection_is_its_own_asker() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let mut connection = sensor.connection(AGENT);
    connection.ask("api.test");
    let request = bind(&mut sensor);
    sensor.say(&ToResolver::Bound {
        id: request.id,
        bound: true,
    });
    assert_eq!(connection.reply().answers.len(), 1);
}

#[test]
fn who_is_observed_is_answered_and_bound_and_what_would_be_refused_is_told() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, true);
    let client = sensor.client(AGENT);
    client.ask("free.test");
    let request = bind(&mut sensor);
    assert_eq!(request.class, scene::class(POLICY, "free.test"));
    sensor.say(&ToResolver::Bound {
        id: request.id,
        bound: true,
    });
    let told = looked(&mut sensor);
    assert_eq!(
        told.refused.as_deref(),
        Some("not looked up: no rule of net lists this name")
    );
    assert_eq!(told.addresses, [scene::address("free.test")]);
    assert_eq!(client.reply().unwrap().answers.len(), 1);
}

#[test]
fn a_reload_binds_again_what_the_new_policy_lists_until_the_agent_ends() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let client = sensor.client(AGENT);
    look_up(&mut sensor, &client, "api.test");
    look_up(&mut sensor, &client, "other.test");
    let narrow = "{allow: [new.test:1, api.test:443]}";
    sensor.policy(narrow, 6, false);
    let again = bind(&mut sensor);
    assert_eq!((again.agent, again.generation), (AGENT, Generation(6)));
    assert_eq!(again.addresses, [scene::address("api.test")]);
    assert_eq!(again.class, scene::class(narrow, "api.test"));
    assert!((100..=120).contains(&again.ttl_s), "what is left: {}", again.ttl_s);
    sensor.say(&ToResolver::Bound {
        id: again.id,
        bound: true,
    });
    assert!(sensor.hears_nothing(), "the other name is listed no more");

    sensor.policy(POLICY, 7, false);
    let again = bind(&mut sensor);
    assert_eq!((again.generation, again.addresses.len()), (Generation(7), 1));
    sensor.say(&ToResolver::AgentEnded { agent: AGENT });
    sensor.policy(POLICY, 8, false);
    assert!(sensor.hears_nothing());
}

#[test]
fn a_binding_that_is_under_way_during_a_reload_is_made_again() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let client = sensor.client(AGENT);
    client.ask("api.test");
    let first = bind(&mut sensor);
    sensor.policy(POLICY, 6, false);
    let again = bind(&mut sensor);
    assert_eq!((first.generation, again.generation), (Generation(5), Generation(6)));
    assert_ne!(first.id, again.id);
    sensor.say(&ToResolver::NoPolicy { slot: SLOT });
    sensor.policy(POLICY, 7, false);
    assert!(sensor.hears_nothing(), "without a policy bindings end");
}

/// Through a sensor that goes away, with a lookup under way, and comes again.
fn serves_and_survives_the_sensor(scene: &Scene) {
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let client = sensor.client(AGENT);
    look_up(&mut sensor, &client, "api.test");
    client.ask("other.test");
    bind(&mut sensor);
    let ports = sensor.ports;
    drop(sensor);
    assert_eq!(client.reply(), None);

    let mut sensor = scene.sensor();
    assert_eq!(sensor.ports, ports, "the sockets stay");
    let client = sensor.client(AGENT);
    client.ask("api.test");
    assert_eq!(client.reply(), None, "all is forgotten");
    sensor.govern(POLICY, 6, false);
    assert!(sensor.hears_nothing(), "nothing is live");
    look_up(&mut sensor, &client, "api.test");
}

#[test]
fn when_the_sensor_goes_all_is_forgotten_and_the_next_one_is_found() {
    serves_and_survives_the_sensor(&Scene::new(|| ()));
}

#[test]
fn it_serves_with_everything_given_up() {
    let scene = Scene::new(|| privileges::drop_all().unwrap());
    serves_and_survives_the_sensor(&scene);
    let mut sensor = scene.sensor();
    sensor.govern(POLICY, 5, false);
    let mut connection = sensor.connection(AGENT);
    connection.ask("api.test");
    bind(&mut sensor);
}

#[test]
fn another_version_of_protocol_or_tables_ends_it_with_a_clear_error() {
    for (protocol, abi, sentence) in [
        (1, 0, "the sensor speaks version"),
        (0, 1, "the sensor's tables are of version"),
    ] {
        let scene = Scene::new(|| ());
        scene.greet_with(protocol, abi);
        let error = scene.ended(Duration::from_secs(5)).unwrap_err();
        assert!(format!("{error:#}").contains(sentence), "{error:#}");
    }
}

#[test]
fn what_is_no_frame_ends_the_connection_and_not_the_service() {
    let scene = Scene::new(|| ());
    let mut sensor = scene.sensor();
    sensor.write(&[0; 64]);
    serves_and_survives_the_sensor(&scene);
}
