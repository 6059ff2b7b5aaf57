//! Ports of the network's router are asked for only where that is possible.

use std::sync::Arc;

use orrery_node::config::Config;
use orrery_node::environment::Observer;
use orrery_node::keys::Keys;
use orrery_node::{Node, StartError, real};
use tempfile::TempDir;

use crate::world::Seen;

#[tokio::test]
async fn a_node_that_is_to_map_ports_where_no_router_can_be_asked_does_not_start() {
    let starts = async |settings: &str| {
        let folder = TempDir::new().expect("a folder");
        let config = Config::from_toml(settings).expect("it is sound");
        let observer = Arc::new(Seen::default()) as Arc<dyn Observer>;
        let mut environment =
            real::environment(folder.path(), &config.quic, &config.mdns, observer)
                .expect("the system gives all");
        assert!(environment.upnp);
        environment.upnp = false;
        Node::start(config, Keys::generate(Some([1; 32])), environment).await
    };
    let listen = "listen.addresses = [\"/ip4/127.0.0.1/tcp/0\"]\n";
    let refused = starts(&format!("{listen}upnp.enabled = true")).await.err();
    let refused = refused.expect("it does not start");
    assert!(matches!(refused, StartError::NoUpnp), "{refused}");
    assert!(refused.to_string().contains("upnp.enabled"));
    let node = starts(listen).await.expect("starts");
    node.stop().await;
}
