DROP TABLE agent_prerequisites;
