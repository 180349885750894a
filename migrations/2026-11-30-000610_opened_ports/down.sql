DROP TABLE opened_ports;
