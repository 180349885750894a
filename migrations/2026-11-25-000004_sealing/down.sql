DROP TABLE agent_sealing_keys;
