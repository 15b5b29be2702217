//! The server of channels.

use std::ops::Deref;

use local::channels;

use super::Tools;

/// A server of channels, and what pages need that listen to it.
pub struct Server {
    server: channels::Server,
    pub(super) tools: Tools,
}

impl Server {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(tools: &Tools) -> anyhow::Result<Self> {
        let server = channels::Server::start(&tools.sockudo()).await?;
        Ok(Self { server, tools: tools.clone() })
    }

    /// Starts it on this port; nothing if it does not listen there.
    ///
    /// # Errors
    /// There is no such program.
    pub async fn start_on(tools: &Tools, port: u16) -> anyhow::Result<Option<Self>> {
        let server = channels::Server::start_on(&tools.sockudo(), port).await?;
        Ok(server.map(|server| Self { server, tools: tools.clone() }))
    }
}

impl Deref for Server {
    type Target = channels::Server;

    fn deref(&self) -> &channels::Server {
        &self.server
    }
}
