//! Formats that are nothing but a header or a variable's name and a shape.

use crate::charset::{ALNUM, BASE64_ANY, DOTTED, HEX, WORD};
use crate::detector::Detector;

#[rustfmt::skip]
pub(super) static ROWS: &[Detector] = &[
    Detector::near("kubeconfig-key", &["client-key-data"], &BASE64_ANY, (200, 4096), "https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/"),
    Detector::near("django-secret-key", &["django_secret"], &crate::charset::BEARER, (40, 80), "https://docs.djangoproject.com/en/stable/ref/settings/#secret-key"),
    Detector::near("laravel-app-key", &["app_key"], &BASE64_ANY, (44, 44), "https://laravel.com/docs/encryption"),
    Detector::near("rails-master-key", &["rails_master", "secret_key_base"], &HEX, (32, 128), "https://guides.rubyonrails.org/security.html"),
    Detector::near("ansible-vault-token", &["awx_token", "tower_oauth"], &ALNUM, (30, 30), "https://docs.ansible.com/"),
    Detector::near("proxmox-token", &["pveapitoken"], &crate::charset::UUID, (36, 36), "https://pve.proxmox.com/wiki/Proxmox_VE_API"),
    Detector::near("home-assistant-token", &["hass_token", "homeassistant"], &DOTTED, (150, 300), "https://developers.home-assistant.io/docs/auth_api/"),
    Detector::near("wireguard-key", &["privatekey", "presharedkey"], &BASE64_ANY, (44, 44), "https://www.wireguard.com/quickstart/"),
    Detector::near("keycloak-secret", &["keycloak"], &WORD, (32, 36), "https://www.keycloak.org/docs/latest/server_admin/"),
];
