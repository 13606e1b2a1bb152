"""One short file per trained model: data, network, objective, cost, and the score to expect. Imports every room above."""
