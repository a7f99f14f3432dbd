"""scikit-learn: W&B's panels of a classifier.

WANDB_SWAN=1 python sklearn_plots.py
"""

import wandb
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

x, y = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0)
model = LogisticRegression(max_iter=200).fit(x_train, y_train)
labels = ["setosa", "versicolor", "virginica"]
with wandb.init(project="sklearn", config=model.get_params()) as run:
    run.log({"accuracy": model.score(x_test, y_test)})
    wandb.sklearn.plot_roc(y_test, model.predict_proba(x_test), labels)
    wandb.sklearn.plot_precision_recall(y_test, model.predict_proba(x_test), labels)
    wandb.sklearn.plot_confusion_matrix(y_test, model.predict(x_test), labels)
    wandb.sklearn.plot_class_proportions(y_train, y_test, labels)
    wandb.sklearn.plot_summary_metrics(model, x_train, y_train, x_test, y_test)
