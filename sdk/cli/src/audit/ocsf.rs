//! OCSF 1.8.0: five classes, and beside what they have a place for, the event itself under `unmapped`.

use aa_wire::Event;
use aa_wire::event::{Effect, Kind, Object, ProcessRef, Verdict};
use serde_json::{Map, Value, json};

/// Class, category and activity.
struct Class {
    uid: u32,
    category: u32,
    activity: u32,
}

const PROCESS: u32 = 1007;
const FILE: u32 = 1001;
const NETWORK: u32 = 4001;
const HTTP: u32 = 4002;
const LIFECYCLE: u32 = 6002;
const OTHER: u32 = 99;

pub(super) fn ocsf(event: &Event, host: &str) -> Value {
    let class = class(event);
    let mut fields = common(event, host, &class);
    let specific = match class.uid {
        PROCESS => process_fields(event),
        FILE => file_fields(event),
        NETWORK => network_fields(event),
        HTTP => http_fields(event),
        _ => json!({"app": product()}),
    };
    if let Value::Object(specific) = specific {
        fields.extend(specific);
    }
    Value::Object(fields)
}

fn class(event: &Event) -> Class {
    let of = |uid, category, activity| Class {
        uid,
        category,
        activity,
    };
    if event.exchange.is_some() {
        return of(HTTP, 4, method(event));
    }
    match (event.process.is_some(), &event.object) {
        _ if !matches!(event.kind, Kind::Decision | Kind::Life) => of(LIFECYCLE, 6, lifecycle(&event.action)),
        (true, Some(Object::Path { .. })) if !matches!(event.action.as_str(), "exec" | "load") => {
            of(FILE, 1, file_activity(&event.action))
        }
        (true, Some(Object::Unix { name })) if name.is_empty() => of(PROCESS, 1, OTHER),
        // A socket that leads nowhere yet has no endpoint.
        (true, Some(Object::Address { .. } | Object::Host { .. } | Object::Unix { .. })) => {
            of(NETWORK, 4, network_activity(&event.action))
        }
        (true, _) => of(PROCESS, 1, process_activity(&event.action)),
        (false, _) => of(LIFECYCLE, 6, lifecycle(&event.action)),
    }
}

fn process_activity(action: &str) -> u32 {
    match action {
        "exec" | "exec-argv" | "fork" => 1,
        "exit" => 2,
        "ptrace" => 3,
        "setuid" => 5,
        _ => OTHER,
    }
}

fn file_activity(action: &str) -> u32 {
    match action {
        "create" | "mkdir" | "mknod" | "link" | "symlink" => 1,
        "open-read" => 2,
        "open-write" | "truncate" => 3,
        "unlink" | "rmdir" => 4,
        "rename" => 5,
        "chmod" | "chown" => 7,
        "mount" => 12,
        _ => OTHER,
    }
}

fn network_activity(action: &str) -> u32 {
    match action {
        "connect" | "unix-connect" => 1,
        "send" | "unix-send" | "send-data" => 6,
        "listen" => 7,
        _ => OTHER,
    }
}

fn lifecycle(action: &str) -> u32 {
    match action {
        "start" => 3,
        "stop" | "halt" | "unload" | "audit-closed" => 4,
        "policy-apply" | "policy-loaded" => 8,
        _ => OTHER,
    }
}

fn method(event: &Event) -> u32 {
    let method = event.exchange.as_ref().map_or("", |exchange| exchange.method.as_str());
    let known = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "PATCH",
    ];
    let place = known.iter().position(|name| *name == method);
    place.and_then(|place| u32::try_from(place + 1).ok()).unwrap_or(OTHER)
}

/// What every class has, of the profiles `host` and `security_control` too.
fn common(event: &Event, host: &str, class: &Class) -> Map<String, Value> {
    let (action, disposition, severity) = judged(event);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("class_uid", class.uid.into());
    put("category_uid", class.category.into());
    put("activity_id", class.activity.into());
    put("activity_name", event.action.clone().into());
    put("type_uid", (class.uid * 100 + class.activity).into());
    put("time", (event.time.unix_ns / 1_000_000).into());
    put("severity_id", severity.into());
    put("action_id", action.into());
    put("disposition_id", disposition.into());
    put("status_id", if action == 2 { 2 } else { 1 }.into());
    let reason = event.reason.as_ref().map(|reason| reason.text.clone());
    if let Some(message) = event.detail.clone().or(reason) {
        put("message", message.into());
    }
    put("device", json!({"type_id": 0, "hostname": host}));
    put(
        "metadata",
        json!({
            "version": "1.8.0",
            "product": product(),
            "profiles": ["host", "security_control"],
            "uid": event.id.to_string(),
            "sequence": event.id,
            "log_name": "audit",
        }),
    );
    if let Some(actor) = actor(event) {
        put("actor", actor);
    }
    if let Some(policy) = policy(event) {
        put("policy", policy);
    }
    if let Some(rule) = &event.rule {
        let name = rule.text.clone().unwrap_or_default();
        put("firewall_rule", json!({"uid": rule.id.to_string(), "name": name}));
    }
    put("unmapped", json!({"aa_sensord": event}));
    fields
}

/// `action_id`, `disposition_id`, `severity_id`.
fn judged(event: &Event) -> (u32, u32, u32) {
    match (event.effect, event.verdict) {
        (Effect::Allowed, Some(Verdict::Ungoverned) | None) => (3, 17, 1),
        (Effect::Allowed, _) => (1, 1, 1),
        (Effect::WouldDeny, _) => (3, 15, 2),
        (Effect::Held, _) => (OTHER, 14, 2),
        (Effect::Denied, _) => (2, 2, 3),
        (Effect::Suspended, _) => (2, 4, 4),
        (Effect::Killed, _) => (2, 24, 4),
    }
}

fn product() -> Value {
    json!({"name": "aa-sensord", "vendor_name": "aa-sensord", "version": env!("CARGO_PKG_VERSION")})
}

fn policy(event: &Event) -> Option<Value> {
    let policy = event.policy.as_ref()?;
    let mut value = json!({"name": policy.name.clone()?});
    let fields = value.as_object_mut()?;
    if let Some(version) = policy.version {
        fields.insert("version".to_owned(), version.to_string().into());
    }
    if let Some(digest) = &policy.digest {
        fields.insert("uid".to_owned(), digest.clone().into());
    }
    Some(value)
}

fn actor(event: &Event) -> Option<Value> {
    let process = event.process.as_ref().map(process);
    let session = event
        .agent
        .as_ref()
        .map(|agent| json!({"uid": agent.session.to_string()}));
    let name = event.agent.as_ref().and_then(|agent| agent.name.clone());
    let fields = [
        ("process", process),
        ("session", session),
        ("app_name", name.map(Value::from)),
    ];
    let fields: Map<String, Value> = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn process(process: &ProcessRef) -> Value {
    let path = process.executable.as_str();
    let mut value = json!({
        "pid": process.pid.0,
        "tid": process.tid,
        "created_time": process.start.unix_ns / 1_000_000,
        "user": {"uid": process.uid.to_string()},
        "parent_process": {"pid": process.parent_pid.0},
    });
    if let (Some(fields), false) = (value.as_object_mut(), path.is_empty()) {
        fields.insert("name".to_owned(), base(path).into());
        fields.insert("path".to_owned(), path.into());
        fields.insert("file".to_owned(), file(path, 8));
    }
    value
}

fn file(path: &str, type_id: u32) -> Value {
    json!({"name": base(path), "path": path, "type_id": type_id})
}

fn base(path: &str) -> &str {
    path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(path)
}

/// The program that is run; else the process itself.
fn process_fields(event: &Event) -> Value {
    let own = event.process.as_ref().map_or_else(|| json!({"pid": 0}), process);
    match &event.object {
        Some(Object::Path { path, .. }) => {
            json!({"process": {"pid": event.process.as_ref().map_or(0, |process| process.pid.0), "name": base(path.as_str()),
                "path": path.as_str(), "file": file(path.as_str(), 8)}})
        }
        Some(Object::Arguments { arguments }) => {
            let mut own = own;
            if let Some(fields) = own.as_object_mut() {
                fields.insert("cmd_line".to_owned(), arguments.as_str().into());
            }
            json!({"process": own})
        }
        Some(Object::Process { pid }) => json!({"process": {"pid": pid.0}}),
        _ => json!({"process": own}),
    }
}

fn file_fields(event: &Event) -> Value {
    let place = |object: &Option<Object>| match object {
        Some(Object::Path { path, flags }) => {
            let folder = flags.iter().any(|flag| flag == "directory");
            Some(file(path.as_str(), if folder { 2 } else { 0 }))
        }
        _ => None,
    };
    let mut fields = Map::new();
    fields.extend(place(&event.object).map(|file| ("file".to_owned(), file)));
    fields.extend(place(&event.second_object).map(|file| ("file_result".to_owned(), file)));
    Value::Object(fields)
}

fn network_fields(event: &Event) -> Value {
    match &event.object {
        Some(Object::Address {
            address,
            port,
            protocol,
            names,
        }) => {
            let mut endpoint = json!({"ip": address.to_string(), "port": port});
            if let (Some(fields), Some(name)) = (endpoint.as_object_mut(), names.first()) {
                fields.insert("hostname".to_owned(), name.as_str().into());
            }
            json!({"dst_endpoint": endpoint, "connection_info": {"direction_id": 2, "protocol_name": protocol}})
        }
        Some(Object::Host { name }) => json!({"dst_endpoint": {"hostname": name.as_str()}}),
        Some(Object::Unix { name }) => json!({"dst_endpoint": {"name": name.as_str()}}),
        _ => json!({}),
    }
}

fn http_fields(event: &Event) -> Value {
    let Some(exchange) = &event.exchange else {
        return json!({});
    };
    let mut fields = json!({"http_request": {
        "http_method": exchange.method.as_str(),
        "url": {"hostname": exchange.host.as_str(), "path": exchange.path.as_str()},
        "body_length": exchange.request_bytes,
    }});
    if let (Some(fields), Some(code)) = (fields.as_object_mut(), exchange.status) {
        let answer = json!({"code": code, "body_length": exchange.answer_bytes, "latency": exchange.took_ms});
        fields.insert("http_response".to_owned(), answer);
    }
    if let (Some(fields), false) = (fields.as_object_mut(), exchange.host.is_empty()) {
        fields.insert("dst_endpoint".to_owned(), json!({"hostname": exchange.host.as_str()}));
    }
    fields
}
