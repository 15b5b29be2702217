-- What the lines say. Money is in whole numbers: a price in hundredths of a penny, which is exact for prices of at most
-- four decimals, for rounding takes the nearest binary fraction back to what the text says.
CREATE TABLE entries AS
    SELECT
        line AS id,
        substr(InvoiceNo, 1, 1) = 'C' AS cancels,
        iif(CustomerID = '', 'guestId=' || InvoiceNo, 'userId=' || replace(CustomerID, '.0', '')) AS buyer,
        -- As the API calls it: two hexadecimal digits for what its ids do not take.
        replace(replace(StockCode, ':', ':3A'), ' ', ':20') AS item,
        InvoiceDate AS time,
        CAST(round(CAST(UnitPrice AS REAL) * 10000) AS INTEGER) AS price,
        abs(CAST(Quantity AS INTEGER)) AS units
    FROM raw
    WHERE InvoiceDate = strftime('%Y-%m-%d %H:%M:%S', InvoiceDate)
        AND Quantity = CAST(CAST(Quantity AS INTEGER) AS TEXT)
        AND Quantity <> '0'
        AND UnitPrice GLOB '[0-9]*'
        AND UnitPrice NOT GLOB '*[^0-9.]*'
        AND UnitPrice NOT GLOB '*.*.*'
        AND (substr(InvoiceNo, 1, 1) = 'C') = (substr(Quantity, 1, 1) = '-');

CREATE TABLE purchases AS
    SELECT id, buyer, item, price, time, units, price * units / 100 AS pence, 0 AS given_back, NULL AS ended
    FROM entries
    WHERE NOT cancels AND price * units % 100 = 0;

CREATE INDEX alike ON purchases (buyer, item, price);

CREATE TABLE refunds (id INTEGER, buyer TEXT, item TEXT, price INTEGER, time TEXT, units INTEGER, pence INTEGER, of INTEGER);

-- One after the other: each is of the latest earlier purchase of which enough is left.
CREATE TRIGGER give_back AFTER INSERT ON refunds BEGIN
    UPDATE refunds
    SET of = (
        SELECT max(id) FROM purchases
        WHERE buyer = NEW.buyer AND item = NEW.item AND price = NEW.price
            AND id < NEW.id AND time <= NEW.time AND pence - given_back >= NEW.pence
    )
    WHERE id = NEW.id;

    UPDATE purchases
    SET given_back = given_back + NEW.pence, ended = iif(given_back + NEW.pence = pence, NEW.time, NULL)
    WHERE id = (SELECT of FROM refunds WHERE id = NEW.id);
END;

INSERT INTO refunds (id, buyer, item, price, time, units, pence)
    SELECT id, buyer, item, price, time, units, price * units / 100
    FROM entries
    WHERE cancels AND price > 0 AND price * units % 100 = 0
    ORDER BY id;

-- What was bought before the file begins.
INSERT INTO purchases
    SELECT
        -id, buyer, item, price,
        (SELECT date(min(time), '-1 day') FROM (SELECT time FROM purchases UNION ALL SELECT time FROM refunds)),
        units, pence, pence, time
    FROM refunds
    WHERE of IS NULL;

CREATE TABLE facts AS
    SELECT date(time) AS day, buyer, item, 1 AS purchases, units, pence AS gross, 0 AS refund_count, 0 AS refunds, 0 AS ended
    FROM purchases
    UNION ALL
    SELECT date(time), buyer, item, 0, 0, 0, 1, pence, 0 FROM refunds
    UNION ALL
    SELECT date(ended), buyer, item, 0, 0, 0, 0, 0, 1 FROM purchases WHERE ended IS NOT NULL;

CREATE INDEX by_day ON facts (day);
