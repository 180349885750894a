DROP TABLE port_shares;
