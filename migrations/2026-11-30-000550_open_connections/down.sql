DROP TABLE ended_connections;
DROP TABLE open_connections;
DROP TABLE proxy_copies;
